"""Carrying out the steps of calls with threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar

import httpx

from .errors import ClientError, ProblemError, UnreachableError, WaitStopped
from .leaving import Leave, interruptible, together
from .steps import Answer, Now, Pause, Request, Step, Steps, Together
from .transport import (
    LIMITS,
    answer_of,
    close_stream,
    headers_of,
    is_worth_repeating,
    stream_errors,
    timeout_of,
    unreachable,
)

C = TypeVar("C", bound="Connection")
T = TypeVar("T")


class Connection:
    """A server, and the connections to it. May be used by several threads."""

    def __init__(self, url: str, timeout_seconds: float, transport: httpx.BaseTransport | None) -> None:
        """Takes the root of the server, and the seconds without a byte after which a request fails."""
        self.url = url
        self._timeout = timeout_seconds
        self._client = httpx.Client(limits=LIMITS, transport=transport)

    def __repr__(self) -> str:
        """Names the server, and never the token."""
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self: C) -> C:
        """Returns the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _run(self, steps: Steps[T], stop: threading.Event | None = None) -> T:
        if stop is None:
            return self._carry_out(steps, Leave())
        result: T = interruptible(lambda leave: self._carry_out(steps, leave), stop, close_stream)
        return result

    def _carry_out(self, steps: Steps[T], leave: Leave) -> T:
        outcome: Any = None
        error: ClientError | None = None
        try:
            while True:
                try:
                    step = steps.send(outcome) if error is None else steps.throw(error)
                except StopIteration as done:
                    result: T = done.value
                    return result
                outcome, error = None, None
                leave.check()
                try:
                    outcome = self._do(step, leave)
                except (UnreachableError, ProblemError) as failure:
                    error = failure
        finally:
            steps.close()

    def _do(self, step: Step, leave: Leave) -> Any:
        if isinstance(step, Now):
            return time.monotonic()
        if isinstance(step, Pause):
            leave.pause(step.seconds)
            return None
        if isinstance(step, Together):
            inner = Leave(leave)
            calls = [lambda call=call: self._carry_out(call, inner) for call in step.calls]
            return together(calls, step.limit, inner)
        return self._send(step)

    def _send(self, request: Request) -> Answer:
        built = self._client.build_request(
            request.method,
            request.url,
            headers=headers_of(request),
            content=request.content,
            timeout=timeout_of(request, self._timeout),
        )
        repeated = False
        while True:
            try:
                response = self._client.send(built, stream=request.streamed)
                if request.streamed and response.is_success:
                    return answer_of(response, stream=response)
                response.read()
                return answer_of(response)
            except httpx.TransportError as error:
                if repeated or not is_worth_repeating(error, request):
                    raise unreachable(error, request.url) from None
                repeated = True

    def _pieces(self, answer: Answer, stop: threading.Event | None) -> Iterator[bytes]:
        """The body of an open answer. Leaving the loop closes the connection."""
        response: httpx.Response = answer.stream
        pieces = response.iter_bytes()
        # The thread that still reads closes the connection: the number of a closed one may belong to another in the same moment.
        reads_on = False
        try:
            with stream_errors(str(response.url)):
                if stop is None:
                    yield from pieces
                    return
                while True:
                    try:
                        piece = interruptible(lambda _: next(pieces, None), stop, lambda _: response.close())
                    except BaseException as error:
                        reads_on = isinstance(error, WaitStopped | KeyboardInterrupt)
                        raise
                    if piece is None:
                        return
                    yield piece
        finally:
            if not reads_on:
                response.close()
