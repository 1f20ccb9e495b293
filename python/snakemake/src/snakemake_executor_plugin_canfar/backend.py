"""The seam between the plugin and a platform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

State = Literal["waiting", "running", "stopping", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Request:
    """One job. `options` are further fields of a submission, such as `group`."""

    name: str
    image: str
    words: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cores: int
    memory_gb: int
    gpus: int = 0
    time_seconds: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A job that a name led to."""

    id: str
    name: str
    state: State


@dataclass(frozen=True)
class Ending:
    """How a job ended. `state` is `gone` where the platform has no record of it any more."""

    id: str
    state: Literal["succeeded", "failed", "cancelled", "gone"]
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    remarks: tuple[str, ...] = ()
    memory_peak_bytes: int | None = None
    oom_kills: int = 0


class BackendError(Exception):
    """What went wrong with a request, for the user."""


class Unavailable(BackendError):
    """No answer, or one that asks to try later: 429, 5xx. `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keeps how long the platform asked to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class TokenRefused(BackendError):
    """The token is unknown, expired or lacks a scope."""


class Refused(BackendError):
    """The platform will never accept this request."""


class KeyReused(BackendError):
    """The idempotency key was used with another body: the job of the first request exists."""


class Backend(Protocol):
    """What the plugin needs of a platform. Methods are called from several threads at a time.

    Each may raise Unavailable, TokenRefused and Refused; `submit` also KeyReused.
    """

    holds_waits: bool
    """Whether `wait_any` waits on the server, for the very ids of the call. Otherwise it looks at intervals."""
    tells_causes: bool
    """Whether an ending has a cause, and the log stays for days."""
    runs_lines: bool
    """Whether a word of a command may hold any character."""
    key_seconds: float
    """How long a repeated key finds the first job; 0 where the platform knows no keys."""

    def check(self) -> None:
        """Checks that the token may submit, read and cancel."""

    def submit(self, request: Request, key: str) -> str:
        """Submits a job once for each key, and returns its id."""

    def wait_any(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        """The jobs of at most 1,000 that have ended: at the first end, or after `seconds` at the latest."""

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancels jobs; those that have ended or are gone are no error."""

    def log_tail(self, identifier: str, size: int) -> bytes:
        """The last `size` bytes of a log; empty where there is none."""

    def find_by_name(self, prefix: str) -> list[Found]:
        """The caller's jobs whose names start with this."""

    def why_waiting(self, prefix: str) -> str | None:
        """Why the oldest waiting job of these names waits; None if none does, or if the platform does not tell."""

    def close(self) -> None:
        """Ends connections."""
