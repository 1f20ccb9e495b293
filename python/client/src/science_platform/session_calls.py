"""The calls of the skaha wire, as steps."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from .errors import ProblemError
from .exchange import Exchange
from .steps import Answer, Request, Steps, Together


class SessionCalls(Exchange):
    """The calls with the login of a client."""

    def create(self, forms: Sequence[Sequence[tuple[str, str]]]) -> Steps[list[str]]:
        answers = yield Together([self.exchange(self._post("/session", form)) for form in forms], self.concurrency)
        return [answer.content.decode().rstrip("\r\n") for answer in answers]

    def each(self, requests: Sequence[Request]) -> Steps[list[Answer]]:
        if not requests:
            return []
        return (yield Together([self.exchange(request) for request in requests], self.concurrency))  # type: ignore[no-any-return]

    def json(self, path: str, query: Mapping[str, str | None]) -> Steps[Any]:
        request = self.get(path, query)
        return self.parsed((yield from self.exchange(request)), request)

    def get(self, path: str, query: Mapping[str, str | None] | None = None) -> Request:
        given = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        return Request("GET", f"{self.addresses.session}{path}{'?' if given else ''}{given}")

    def delete(self, id: str) -> Request:
        return Request("DELETE", f"{self.addresses.session}{session_path(id)}")

    def renew(self, id: str) -> Request:
        return self._post(session_path(id), [("action", "renew")])

    def parsed(self, answer: Answer, request: Request) -> Any:
        try:
            return json.loads(answer.content)
        except ValueError:
            raise ProblemError.of(answer.status, b"", request.name) from None

    def _post(self, path: str, form: Sequence[tuple[str, str]]) -> Request:
        # In the body, which no log shows: variables may be passwords. The published client sends the query.
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Request("POST", self.addresses.session + path, headers, urlencode(form).encode())

    def _refused(self, answer: Answer, request: Request) -> ProblemError:
        text = answer.content.decode(errors="replace").strip()
        if "location" in answer.headers:
            text = f"redirected to {answer.headers['location']}; redirects are not followed"
        return ProblemError("about:blank", answer.status, f"{request.name}: HTTP {answer.status}: {text}")


def session_path(id: str) -> str:
    """The path of a session."""
    return f"/session/{quote(id, safe='')}"


def session_forms(
    name: str,
    image: str,
    cores: int | None,
    ram: int | None,
    kind: str,
    gpu: int | None,
    cmd: str | None,
    args: str | Sequence[str] | None,
    env: Mapping[str, Any] | None,
    replicas: int,
) -> list[list[tuple[str, str]]]:
    """The parameters of a submission, one list for each replica, in the order of the published client."""
    if replicas < 1:
        raise ValueError(f"replicas is {replicas}; it must be at least 1")
    if replicas > 1 and kind in {"desktop", "firefly"}:
        raise ValueError(f"replicas is {replicas}; {kind} sessions come one at a time")
    if kind != "headless" and (cmd or args or env):
        raise ValueError(f"cmd, args and env are for headless sessions; the kind is {kind}")
    words = args if isinstance(args, str) or args is None else shlex.join(args)
    forms = []
    for replica in range(1, replicas + 1):
        scalars = {
            "name": name if replicas == 1 else f"{name}-{replica}",
            "image": full_image(image),
            "cores": cores,
            "ram": ram,
            "type": kind,
            "gpus": gpu,
            "cmd": cmd,
            "args": words or None,
        }
        variables = {**(env or {}), "REPLICA_ID": replica, "REPLICA_COUNT": replicas}
        forms.append(
            [
                *((key, str(value)) for key, value in scalars.items() if value is not None),
                *(("env", f"{key}={value}") for key, value in variables.items()),
            ]
        )
    return forms


def full_image(image: str) -> str:
    """The image with the registry and the tag that the published client adds."""
    parts = image.split("/")
    if len(parts) == 2 and parts[0] != "localhost" and not re.search(r"[.:]", parts[0]):
        image = f"images.canfar.net/{image}"
    return image if ":" in parts[-1] else f"{image}:latest"


def name_matches(prefix: str, name: str) -> bool:
    """Whether a name begins with a prefix. A prefix with any of `.^$*+?{}[]()|` is a regular expression that matches anywhere."""
    if re.search(r"[.^$*+?{}\[\]()|]", prefix):
        return re.search(prefix, name) is not None
    return name.startswith(prefix)
