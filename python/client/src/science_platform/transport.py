"""Sending requests with httpx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from .errors import UnreachableError
from .log_reading import IDLE_SECONDS
from .steps import Answer, Request

#: No limit of httpx is below that of the callers.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=64)


class IdleStream(Exception):
    """A log that is followed had no byte for a while."""


def timeout_of(request: Request, seconds: float) -> httpx.Timeout:
    """The timeout of a request for a client with a timeout of so many seconds without a byte."""
    read = max(seconds, IDLE_SECONDS) if request.streamed else seconds + request.seconds
    return httpx.Timeout(seconds, read=read, pool=None)


def headers_of(request: Request) -> Mapping[str, str]:
    """The headers to send. A range counts the bytes of the log itself, and not of a compressed one."""
    return {**request.headers, "accept-encoding": "identity"} if request.streamed else request.headers


def answer_of(response: httpx.Response, *, stream: Any = None) -> Answer:
    """A response whose body has been read, or one that is open."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, b"" if stream is not None else response.content, stream)


def is_worth_repeating(error: httpx.TransportError, request: Request) -> bool:
    """Whether the server may have closed an idle connection just as the request was sent."""
    broken = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return broken and request.method == "GET"


def unreachable(error: Exception, url: str) -> UnreachableError:
    """The error of this client in the place of one of httpx, which has the request with its token."""
    why = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        why = f"no byte within the timeout ({type(error).__name__})"
    return UnreachableError(url.split("?")[0], why)


@contextmanager
def stream_errors(url: str) -> Iterator[None]:
    """Translates the errors of reading a body."""
    try:
        yield
    except httpx.ReadTimeout:
        raise IdleStream from None
    except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
        raise unreachable(error, url) from None


def close_stream(outcome: Any) -> None:
    """Closes an open answer that its caller no longer waits for."""
    if isinstance(outcome, Answer) and outcome.stream is not None:
        outcome.stream.close()
