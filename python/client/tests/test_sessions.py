import asyncio
from collections.abc import Iterator
from urllib.parse import parse_qsl

import httpx
import pytest
from science_platform import ProblemError
from science_platform.session_calls import full_image, name_matches, session_forms
from science_platform.sessions import AsyncSession, Session
from science_platform_testing import IMAGE, Platform, eventually


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as one:
        yield one


def form(**fields: object) -> list[tuple[str, str]]:
    wanted = {"name": "n", "image": "skaha/x", "kind": "headless", "replicas": 1, **fields}
    names = ("cores", "ram", "gpu", "cmd", "args", "env")
    return session_forms(**{name: None for name in names} | wanted)[0]  # type: ignore[arg-type]


def test_a_request_has_the_parameters_of_the_published_client() -> None:
    assert form(cores=2, ram=4, gpu=1, cmd="python", args=["/a b.py", "-n", "1"], env={"A": "b=c d"}) == [
        ("name", "n"),
        ("image", "images.canfar.net/skaha/x:latest"),
        ("cores", "2"),
        ("ram", "4"),
        ("type", "headless"),
        ("gpus", "1"),
        ("cmd", "python"),
        ("args", "'/a b.py' -n 1"),
        ("env", "A=b=c d"),
        ("env", "REPLICA_ID=1"),
        ("env", "REPLICA_COUNT=1"),
    ]
    assert ("args", "as  it is") in form(args="as  it is")


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("skaha/x", "images.canfar.net/skaha/x:latest"),
        ("skaha/x:1", "images.canfar.net/skaha/x:1"),
        ("h.org/a/b", "h.org/a/b:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("h:5000/x:2", "h:5000/x:2"),
    ],
)
def test_an_image_gets_registry_and_tag(image: str, full: str) -> None:
    assert full_image(image) == full


def test_what_no_server_accepts_is_refused_before_a_request() -> None:
    for fields in ({"replicas": 0}, {"kind": "desktop", "replicas": 2}, {"kind": "notebook", "cmd": "x"}):
        with pytest.raises(ValueError, match=r"replicas is|are for headless"):
            form(**fields)


def test_a_prefix_with_signs_is_a_regular_expression() -> None:
    assert [name_matches("night", one) for one in ("night-1", "a-night")] == [True, False]
    assert name_matches("t-[0-9]+$", "night-12")


def test_parameters_go_into_the_body_and_a_refusal_has_the_words_of_the_server() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(400, text="name is wrong\n") if len(seen) == 2 else httpx.Response(200, text="abc\n")

    session = Session("https://h.org/skaha/v1", "t", transport=httpx.MockTransport(answer))
    assert session.create(name="n", image="a/b", args="x" * 9_000) == ["abc"]
    assert seen[0].url.query == b""
    assert dict(parse_qsl(seen[0].content.decode()))["args"] == "x" * 9_000
    with pytest.raises(ProblemError, match="HTTP 400: name is wrong") as caught:
        session.create(name="n", image="a/b")
    assert caught.value.status == 400


def test_sessions_on_the_real_server(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    with Session(platform.url, platform.token) as session:
        ids = session.create(
            name="study", image=IMAGE, cmd="sh", args=["-c", 'echo "$A $REPLICA_ID"'], env={"A": "x  y"}, replicas=2
        )
        platform.jobs().wait(ids)
        assert [one["status"] for one in session.info(ids)] == ["Completed", "Completed"]
        assert session.logs(ids) == {ids[0]: "x  y 1\n", ids[1]: "x  y 2\n"}
        assert {one["id"] for one in session.fetch(kind="headless", status="Completed")} == {*ids}
        caplog.set_level("INFO")
        ((id, table),) = session.events(ids[0], verbose=True)[0].items()
        assert id == ids[0]
        assert "Completed" in table
        assert table in caplog.text
        assert "cores" in session.stats()
        (sleeper,) = session.create(name="sleeper", image=IMAGE, cmd="sleep", args=["600"])
        eventually("it to run", lambda: session.info(sleeper)[0]["status"] == "Running")
        assert session.renew(sleeper) == {sleeper: True}
        assert session.destroy(sleeper) == {sleeper: True}
        assert session.destroy(ids[0]) == {ids[0]: True}
        assert session.destroy_with("study") == {ids[1]: True}
        with pytest.raises(ProblemError) as caught:
            session.info(ids)
        assert caught.value.status == 404


def test_sessions_with_asyncio(platform: Platform) -> None:
    async def main() -> None:
        async with AsyncSession(platform.url, platform.token) as session:
            (id,) = await session.create(name="one", image=IMAGE, cmd="echo", args="hello")
            await asyncio.to_thread(platform.jobs().wait, id)
            assert (await session.info(id))[0]["status"] == "Completed"
            assert await session.logs(id) == {id: "hello\n"}
            assert [*(await session.events(id))[0]] == [id]
            assert id in [one["id"] for one in await session.fetch()]
            assert "ram" in await session.stats()
            assert await session.destroy_with("one") == {id: True}

    asyncio.run(main())
