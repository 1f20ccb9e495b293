"""Requests with the login of a client."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from .errors import ProblemError
from .login import Identity
from .steps import PATIENCE, Answer, Now, Pause, Request, Steps, log


class Exchange:
    """Who calls, and what every request has in common."""

    def __init__(self, identity: Identity, registry: tuple[str, str] | None, concurrency: int) -> None:
        """Takes the login; `registry` is user and secret for private images, `concurrency` the most requests of a call at once."""
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        self.addresses = identity.addresses
        self.concurrency = concurrency
        self._identity = identity
        self._headers = {
            "accept": "application/json",
            "x-skaha-authentication-type": "RUNTIME-TOKEN",
            "user-agent": "science-platform-client-python/0.1.0",
        }
        if registry is not None:
            self._headers["x-skaha-registry-auth"] = base64.b64encode(":".join(registry).encode()).decode()

    def exchange(self, request: Request, also: tuple[int, ...] = (416,)) -> Steps[Answer]:
        """A successful answer, or one of the statuses in `also`. Obeys Retry-After, and reads a saved token anew after 401."""
        until = (yield Now()) + PATIENCE
        renewals = 0
        while True:
            token = self._identity.token
            headers = {**self._headers, "authorization": f"Bearer {token}", **request.headers}
            answer: Answer = yield _with_headers(request, headers)
            if 200 <= answer.status < 300 or (answer.status in also and request.headers.get("range")):
                return answer
            if answer.status == 401 and renewals < 2 and self._identity.renew(token):
                renewals += 1
                continue
            if answer.status == 429:
                pause = _retry_after(answer)
                if (yield Now()) + pause <= until:
                    log.info("%s: too many requests, again after %g s", request.name, pause)
                    yield Pause(pause)
                    continue
            raise self._refused(answer, request)

    def _refused(self, answer: Answer, request: Request) -> ProblemError:
        return ProblemError.of(answer.status, answer.content, request.name)


def _with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    return Request(request.method, request.url, headers, request.content, request.seconds, request.streamed)


def _retry_after(answer: Answer) -> float:
    """Seconds; one where the server names none, or a date."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 1.0
