"""The platform's own API: idempotency keys, waits on the server, causes."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from science_platform import Jobs, ProblemError, UnreachableError
from science_platform.model import EndedJob

from .backend import Ending, Found, KeyReused, Refused, Request, State, TokenRefused, Unavailable

KEY_SECONDS = 23 * 3600.0
"""The server remembers keys for 24 hours."""
PARALLEL_CANCELS = 16
_NO_JOB = "a0000000"
"""An id that may be asked for whether or not it exists."""

_T = TypeVar("_T")

_STATES: dict[str, State] = {
    "held": "waiting",
    "queued": "waiting",
    "starting": "waiting",
    "running": "running",
    "stopping": "stopping",
}


def body_of(request: Request) -> dict[str, Any]:
    """The body of `POST /jobs`."""
    fields = {
        "name": request.name,
        "image": request.image,
        "cmd": request.words[0],
        "args": [*request.words[1:]],
        "env": dict(request.env),
        "cores": request.cores,
        "memoryGb": request.memory_gb,
        "gpus": request.gpus or None,
        "timeSeconds": request.time_seconds,
        **request.options,
    }
    return {name: value for name, value in fields.items() if value is not None}


def ending_of(job: EndedJob) -> Ending:
    """An ended job of a wait."""
    cause, usage = job.cause, job.usage
    return Ending(
        id=job.id,
        state=cast(Any, job.state),
        code=cause.code if cause else None,
        message=cause.message if cause else None,
        hint=cause.hint if cause else None,
        remarks=tuple(cause.remarks or ()) if cause else (),
        memory_peak_bytes=usage.memory_peak_bytes if usage else None,
        oom_kills=(usage.oom_kills or 0) if usage else 0,
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Errors of the client as those of the seam."""
    try:
        yield
    except UnreachableError as error:
        raise Unavailable(str(error)) from error
    except ProblemError as error:
        if error.type == "idempotency-conflict":
            raise KeyReused(str(error)) from error
        if error.status == 401 or error.type == "forbidden":
            raise TokenRefused(str(error)) from error
        if error.status in (408, 429) or error.status >= 500 or error.type == "about:blank":
            raise Unavailable(str(error)) from error
        raise Refused(str(error)) from error


class ApiBackend:
    """A backend over `/api/v1`."""

    holds_waits = True
    tells_causes = True
    runs_lines = True
    key_seconds = KEY_SECONDS

    def __init__(self, jobs: Jobs) -> None:
        """Takes the client."""
        self._jobs = jobs

    def check(self) -> None:
        """Checks the token and its scopes."""
        with _translated():
            scopes = set(self._jobs.account().scopes)
        missing = [scope for scope in ("read", "submit", "manage") if scope not in scopes]
        if missing:
            raise TokenRefused(f"the token lacks the scope {', '.join(missing)}.")
        try:
            with _translated():
                self._jobs.wait_any([_NO_JOB], seconds=0)
        except Refused as error:
            raise Refused(
                "this server has no POST /api/v1/jobs/wait, which the plugin needs: ask its operators to upgrade it, or use "
                f"--canfar-api skaha. ({error})"
            ) from error

    def submit(self, request: Request, key: str) -> str:
        """Submits a job under its key."""
        with _translated():
            return str(self._jobs.submit(body_of(request), key=key).ids[0])

    def wait_any(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        """Waits on the server."""
        with _translated():
            waited = self._jobs.wait_any(ids, seconds=seconds)
        return [*map(ending_of, waited.ended), *(Ending(one, "gone") for one in waited.unknown)]

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancels jobs together; one by one on servers that cannot."""
        with _translated():
            try:
                self._jobs.cancel_many(ids=ids)
            except ProblemError as error:
                # The server is older than this request.
                if error.status not in (404, 405):
                    raise
                with ThreadPoolExecutor(PARALLEL_CANCELS) as pool:
                    list(pool.map(self._cancel_one, ids))

    def _cancel_one(self, identifier: str) -> None:
        self._unless_gone(lambda: self._jobs.cancel(identifier))

    def log_tail(self, identifier: str, size: int) -> bytes:
        """The end of a log."""
        with _translated():
            return self._unless_gone(lambda: self._jobs.log_end(identifier, size)) or b""

    def _unless_gone(self, call: Callable[[], _T]) -> _T | None:
        try:
            return call()
        except ProblemError as error:
            if error.status == 404:
                return None
            raise

    def find_by_name(self, prefix: str) -> list[Found]:
        """Lists jobs by the start of their names."""
        with _translated():
            return [
                Found(job.id, job.name, _STATES.get(job.state) or cast(State, job.state))
                for job in self._jobs.list_all(name=prefix)
            ]

    def why_waiting(self, prefix: str) -> str | None:
        """Asks for the oldest job of these names that waits."""
        with _translated():
            waiting = self._jobs.list(name=prefix, state=["held", "queued"], sort="submitted", limit=1).jobs
            return str(self._jobs.why(waiting[0].id).summary) if waiting else None

    def close(self) -> None:
        """Closes the client's connections."""
        self._jobs.close()
