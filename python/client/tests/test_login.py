from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from science_platform import Jobs, NotLoggedInError, ProblemError, UnreachableError
from science_platform.addresses import Addresses
from science_platform.login import login_from

NOW = 1_800_000_000.0
ROOT = "https://batch.example.org"


def configuration(version: int = 2, url: str = f"{ROOT}/skaha", token: str = "saved-token", **credential: Any) -> Any:
    """The file that `canfar auth login` writes; version 1 has more in its servers."""
    server: dict[str, Any] = {"idp": "batch", "url": url, "version": "v1", "auths": ["oidc"]}
    if version == 1:
        server |= {"cores": {"default": 1}, "status": "200"}
    login = {"idp": "batch", "mode": "oidc", "token": {"access": token}, "expiry": {"access": 4_102_444_800}}
    return {
        "version": version,
        "active": {"authentication": "batch", "server": "batch"},
        "authentication": {"batch": {**login, **credential}},
        "servers": {"batch": server},
    }


@pytest.mark.parametrize(
    ("text", "root", "session"),
    [
        ("https://batch.example.org", ROOT, f"{ROOT}/skaha/v1"),
        ("https://batch.example.org/skaha/v1/", ROOT, f"{ROOT}/skaha/v1"),
        ("https://BATCH.example.org/skaha", ROOT, f"{ROOT}/skaha/v1"),
        ("https://batch.example.org/api/v1", ROOT, f"{ROOT}/skaha/v1"),
        ("https://batch.example.org/skaha/v0", ROOT, f"{ROOT}/skaha/v0"),
        ("http://h:8080/below", "http://h:8080/below", "http://h:8080/below/skaha/v1"),
    ],
)
def test_any_address_of_a_server_gives_the_others(text: str, root: str, session: str) -> None:
    addresses = Addresses.of(text)
    assert (addresses.root, addresses.session, addresses.api) == (root, session, f"{root}/api/v1")


@pytest.mark.parametrize("text", ["batch.example.org", "ftp://h", "https://", "https://ada:secret@h"])
def test_what_is_no_address_is_named_without_a_password(text: str) -> None:
    with pytest.raises(ValueError, match="is not a server address") as caught:
        Addresses.of(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("version", [1, 2])
def test_without_arguments_and_variables_the_active_login_is_used(version: int) -> None:
    login = login_from(None, None, {}, configuration(version), NOW)
    assert (login.addresses.root, login.token, login.saved) == (ROOT, "saved-token", True)


def test_arguments_come_before_variables_and_variables_before_the_saved_login() -> None:
    environment = {"CANFAR_URL": "https://env.example.org/skaha/v1", "CANFAR_TOKEN": "env-token"}
    login = login_from("https://arg.example.org", "arg-token", environment, configuration(), NOW)
    assert (login.addresses.root, login.token) == ("https://arg.example.org", "arg-token")
    login = login_from(None, None, environment, configuration(), NOW)
    assert (login.addresses.root, login.token) == ("https://env.example.org", "env-token")


def test_a_token_goes_to_its_own_server_alone() -> None:
    with pytest.raises(NotLoggedInError, match=r"the saved login is for https://batch.example.org, and not for"):
        login_from("https://other.example.org", None, {}, configuration(), NOW)
    with pytest.raises(NotLoggedInError, match="and not for https://other"):
        login_from(None, None, {"CANFAR_URL": "https://other.example.org"}, configuration(), NOW)
    environment = {"CANFAR_URL": "https://env.example.org", "CANFAR_TOKEN": "env-token"}
    assert login_from(ROOT, None, environment, configuration(), NOW).token == "saved-token"
    with pytest.raises(NotLoggedInError, match="CANFAR_TOKEN is set without CANFAR_URL"):
        login_from(ROOT, None, {"CANFAR_TOKEN": "env-token"}, configuration(), NOW)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "you are not logged in"),
        ({"version": 3}, "neither version 1 nor version 2"),
        ([], "neither version 1 nor version 2"),
        (configuration(mode="x509"), "is a certificate"),
        (configuration(token=""), "there is no token"),
        (configuration(expiry={"access": NOW - 1}), "has expired"),
        (configuration(expiry=None), "has expired"),
        (configuration() | {"active": {"authentication": "batch", "server": None}}, "no server is active"),
    ],
)
def test_a_login_that_cannot_be_used_says_why_and_what_to_do(broken: Any, message: str) -> None:
    with pytest.raises(NotLoggedInError, match=message) as caught:
        login_from(None, None, {}, broken, NOW)
    assert "canfar auth login" in str(caught.value)


def save(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content))


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANFAR_URL", raising=False)
    monkeypatch.delenv("CANFAR_TOKEN", raising=False)


def test_a_saved_token_that_the_server_refuses_is_read_again(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        if request.headers["authorization"] == "Bearer saved-token":
            save(tmp_path / "config.yaml", configuration(token="rotated-token"))
            return httpx.Response(401, json={"type": "x", "title": "no"})
        return httpx.Response(200, json={"name": "ada"})

    save(tmp_path / "config.yaml", configuration())
    jobs = Jobs(configuration=tmp_path / "config.yaml", transport=httpx.MockTransport(answer))
    assert jobs.account().name == "ada"
    assert jobs.account().name == "ada"
    assert seen == ["Bearer saved-token", "Bearer rotated-token", "Bearer rotated-token"]


def test_a_token_of_another_server_in_the_changed_file_is_not_sent(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        save(tmp_path / "config.yaml", configuration(url="https://other.example.org/skaha", token="other-token"))
        return httpx.Response(401, json={"type": "t", "title": "The token is not valid.", "status": 401})

    save(tmp_path / "config.yaml", configuration())
    jobs = Jobs(configuration=tmp_path / "config.yaml", transport=httpx.MockTransport(answer))
    with pytest.raises(ProblemError, match="The token is not valid"):
        jobs.account()
    assert seen == ["Bearer saved-token"]


def test_the_token_is_in_no_repr_log_or_exception(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    caplog.set_level("DEBUG")
    save(tmp_path / "config.yaml", configuration(token="s3cr3t"))
    jobs = Jobs(configuration=tmp_path / "config.yaml", transport=httpx.MockTransport(fail))
    with pytest.raises(UnreachableError) as caught:
        jobs.account()
    assert caught.value.__cause__ is None
    seen = [repr(jobs), repr(vars(jobs)), repr(caught.value), repr(vars(caught.value)), caplog.text]
    (tmp_path / "config.yaml").write_text("token: {access: s3cr3t\n: [")
    with pytest.raises(NotLoggedInError, match="it is not YAML") as refused:
        Jobs(configuration=tmp_path / "config.yaml")
    assert refused.value.__cause__ is None
    seen.append(str(refused.value))
    assert [text for text in seen if "s3cr3t" in text] == []
