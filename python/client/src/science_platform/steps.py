"""How a call is decided apart from how it is carried out.

A call is a generator of steps: it yields what is to be done and receives the outcome. `Jobs` carries the steps out with threads,
`AsyncJobs` with asyncio, and tests with a clock of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from .errors import ProblemError, UnreachableError

T = TypeVar("T")

log = logging.getLogger("science_platform")

#: Seconds of retries while the server is away: enough for a restart or an upgrade.
PATIENCE = 300.0
#: Seconds of retries of a submission without an answer.
SUBMIT_PATIENCE = 10.0


@dataclass(frozen=True)
class Request:
    """A request to send. The outcome is an `Answer`, or UnreachableError is raised in the generator."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    #: Seconds that the server may take on purpose, besides the timeout of the client.
    seconds: float = 0
    #: Whether the body of a success is read by the caller: `Answer.stream`.
    streamed: bool = False

    @property
    def name(self) -> str:
        """Method and address without the query, for messages."""
        return f"{self.method} {self.url.split('?')[0]}"


@dataclass(frozen=True)
class Answer:
    """An answer of any status. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    #: The open answer of a streamed request.
    stream: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


@dataclass(frozen=True)
class Now:
    """The time of a clock that only goes forward, in seconds."""


@dataclass(frozen=True)
class Together:
    """Calls to carry out at the same time. The outcome is the list of theirs; the first error ends all."""

    calls: list[Steps[Any]]
    #: At most so many at once.
    limit: int


Step: TypeAlias = Request | Pause | Now | Together
Steps: TypeAlias = Generator[Step, Any, T]


def is_transient(error: Exception) -> bool:
    """Whether a retry may succeed: no answer came, or a proxy answered in the place of the server."""
    return isinstance(error, UnreachableError) or (isinstance(error, ProblemError) and error.status in {502, 503, 504})


def backoff(failures: int) -> float:
    """Seconds before the next retry: 0.25, doubling up to 5."""
    return float(min(0.25 * 2 ** (min(failures, 10) - 1), 5.0))


def persist(call: Callable[[], Steps[T]], seconds: float) -> Steps[T]:
    """Retries transient failures for so many seconds, then raises the last one."""
    until = (yield Now()) + seconds
    failures = 0
    while True:
        try:
            return (yield from call())
        except (UnreachableError, ProblemError) as error:
            if not is_transient(error) or (yield Now()) >= until:
                raise
            failures += 1
            if failures == 1:
                log.info("%s; retrying for %d s", error, seconds)
        yield Pause(backoff(failures))
