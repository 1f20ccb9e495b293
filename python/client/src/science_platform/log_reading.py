"""Following a log over broken connections: each byte once."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from .errors import ClientError
from .steps import PATIENCE, Answer, backoff, is_transient

#: Seconds without a byte after which a log that is followed is opened again. A quiet job and a dead connection look alike.
IDLE_SECONDS = 60.0


class LogReading:
    """Where the reading of a log is, and whether it goes on after a failure."""

    def __init__(self, start: int) -> None:
        """Takes the first byte."""
        self.position = start
        self.opened = False
        self._skip = 0
        self._failures = 0
        self._failing_since: float | None = None

    def begin(self, answer: Answer | None) -> None:
        """Takes an answer; None where the log has no byte at the position yet."""
        self.opened = True
        self._failing_since = None
        # A server without ranges sends the whole log again.
        self._skip = self.position if answer is not None and answer.status != 206 else 0

    def take(self, content: bytes) -> bytes:
        """The part of the next bytes that has not been read yet."""
        fresh = content[self._skip :]
        self._skip -= len(content) - len(fresh)
        self.position += len(fresh)
        if fresh:
            self._failures = 0
        return fresh

    def fail(self, error: ClientError, now: float) -> None:
        """Raises the error unless the reading goes on. A first request that fails is an error at once. `now` is in seconds."""
        if self._failing_since is None:
            self._failing_since = now
        if not self.opened or not is_transient(error) or now - self._failing_since > PATIENCE:
            raise error

    def pause(self) -> float:
        """Seconds before the log is opened again."""
        self._failures += 1
        return backoff(self._failures)


class Lines:
    """The lines in pieces of a log. What is not UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        """Begins with no text."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, content: bytes) -> Iterator[str]:
        """The lines that these bytes complete, without their ends."""
        *lines, self._rest = (self._rest + self._decoder.decode(content)).split("\n")
        yield from lines

    def end(self) -> Iterator[str]:
        """The last line, where it has no end."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        if rest:
            yield rest
