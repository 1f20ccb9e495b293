"""Carrying out the steps of calls with asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from .errors import ClientError, ProblemError, UnreachableError
from .steps import Answer, Now, Pause, Request, Step, Steps, Together
from .transport import LIMITS, answer_of, headers_of, is_worth_repeating, stream_errors, timeout_of, unreachable

C = TypeVar("C", bound="AsyncConnection")
T = TypeVar("T")


class AsyncConnection:
    """A server, and the connections to it, in one event loop."""

    def __init__(self, url: str, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None) -> None:
        """Takes the root of the server, and the seconds without a byte after which a request fails."""
        self.url = url
        self._timeout = timeout_seconds
        self._client = httpx.AsyncClient(limits=LIMITS, transport=transport)

    def __repr__(self) -> str:
        """Names the server, and never the token."""
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self: C) -> C:
        """Returns the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _run(self, steps: Steps[T]) -> T:
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
                try:
                    outcome = await self._do(step)
                except (UnreachableError, ProblemError) as failure:
                    error = failure
        finally:
            steps.close()

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Now):
            return time.monotonic()
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Together):
            return await self._together(step)
        return await self._send(step)

    async def _together(self, step: Together) -> Sequence[Any]:
        limit = asyncio.Semaphore(step.limit)

        async def one(call: Steps[Any]) -> Any:
            async with limit:
                return await self._run(call)

        tasks = [asyncio.ensure_future(one(call)) for call in step.calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, request: Request) -> Answer:
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
                response = await self._client.send(built, stream=request.streamed)
                if request.streamed and response.is_success:
                    return answer_of(response, stream=response)
                await response.aread()
                return answer_of(response)
            except httpx.TransportError as error:
                if repeated or not is_worth_repeating(error, request):
                    raise unreachable(error, request.url) from None
                repeated = True

    async def _pieces(self, answer: Answer) -> AsyncIterator[bytes]:
        """The body of an open answer. Leaving the loop closes the connection."""
        response: httpx.Response = answer.stream
        try:
            with stream_errors(str(response.url)):
                async for piece in response.aiter_bytes():
                    yield piece
        finally:
            await response.aclose()
