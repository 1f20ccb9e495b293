"""What the methods of the client raise."""

from __future__ import annotations

import json
from typing import Any

from .model import Job

_PREFIX = "urn:science-platform:problem:"


class ClientError(Exception):
    """The base of the errors of this client."""


class NotLoggedInError(ClientError):
    """There is no address or no token for the server."""

    def __init__(self, message: str, hint: str) -> None:
        """Takes what is missing and what to do."""
        super().__init__(f"{message}. {hint}")
        self.hint = hint


class UnreachableError(ClientError):
    """No answer came: the server is down, its name does not resolve, the connection broke, or a timeout passed."""

    def __init__(self, url: str, why: str) -> None:
        """Takes the address of the request and the reason."""
        super().__init__(f"no answer from {url}: {why}")
        self.url = url


class ProblemError(ClientError):
    """The server refused a request. `str()` gives the detail and the hint."""

    def __init__(self, type: str, status: int, detail: str, hint: str | None = None, field: str | None = None) -> None:
        """Takes the fields of a problem (RFC 9457); `type` is a name such as `job-not-found`."""
        super().__init__(detail if hint is None else f"{detail} {hint}")
        self.type = type
        self.status = status
        self.detail = detail
        self.hint = hint
        self.field = field

    @classmethod
    def of(cls, status: int, content: bytes, request: str) -> ProblemError:
        """The problem in an answer. The answer of a proxy becomes a problem of the type `about:blank`."""
        try:
            body: Any = json.loads(content)
        except ValueError:
            body = None
        if not (isinstance(body, dict) and isinstance(body.get("type"), str) and isinstance(body.get("title"), str)):
            detail = f"The server answered with HTTP {status} to {request}, without an explanation."
            hint = "Something other than the platform may have answered: check the address of the server."
            return cls("about:blank", status, detail, hint)
        detail = body.get("detail") or body["title"]
        return cls(body["type"].removeprefix(_PREFIX), status, str(detail), body.get("hint"), body.get("field"))


class JobFailed(ClientError):
    """A job ended otherwise than well. `str()` gives the cause, the hint and how to read its log."""

    def __init__(self, job: Job) -> None:
        """Takes the job as it ended."""
        cause = job.cause
        words = [f"job {job.id} ({job.name}) {job.state}:"]
        words.append(cause.message if cause else f"exit code {job.exit_code}")
        if cause and cause.hint:
            words.append(cause.hint)
        super().__init__(" ".join(words))
        self.job = job

    def __reduce__(self) -> tuple[type[JobFailed], tuple[Job]]:
        """Pickles with the job: workflow engines send errors between processes."""
        return JobFailed, (self.job,)


class WaitStopped(ClientError):
    """The event given as `stop` was set while a call waited."""

    def __init__(self) -> None:
        """Has nothing more to say."""
        super().__init__("the wait was stopped")
