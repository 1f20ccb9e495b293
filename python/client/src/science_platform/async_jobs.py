"""The client for programs with asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx

from .async_connection import AsyncConnection
from .calls import ENDED, WAIT_SECONDS, Body, Calls
from .errors import ClientError, JobFailed, ProblemError, UnreachableError
from .log_reading import Lines, LogReading
from .login import Identity
from .model import Account, CancelledJobs, CancelRequest, Job, JobEvent, JobPage, QueueOverview, Submitted, Waited, Why
from .running import left_running, new_key, single_job
from .transport import IdleStream


class AsyncJobs(AsyncConnection):
    """`Jobs` for asyncio: the same methods, arguments and errors. Cancelling a task ends its wait at once."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        registry: tuple[str, str] | None = None,
        timeout_seconds: float = 30,
        concurrency: int = 16,
        configuration: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Opens no connection yet. The arguments are those of `Jobs`."""
        self._calls = Calls(Identity(url, token, configuration), registry, concurrency)
        super().__init__(self._calls.addresses.root, timeout_seconds, transport)

    async def submit(self, request: Body, *, key: str | None = None) -> Submitted:
        """Submits one job, or all replicas or none: see `Jobs.submit`."""
        return await self._run(self._calls.submit(request, key))

    async def submit_batch(self, requests: Sequence[Body], *, key: str | None = None) -> Submitted:
        """Submits up to 1,000 unlike jobs or arrays, all or none: see `Jobs.submit_batch`."""
        return await self._run(self._calls.submit_batch(requests, key))

    async def get(self, id: str) -> Job:
        """One job."""
        return await self._run(self._calls.get(id))

    async def list(
        self,
        *,
        state: str | Sequence[str] | None = None,
        name: str | None = None,
        array: str | None = None,
        label: str | None = None,
        fields: Sequence[str] | None = None,
        sort: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """One page of your jobs: see `Jobs.list`."""
        given = {"state": state, "name": name, "array": array, "label": label, "fields": fields}
        query = {**given, "sort": sort, "limit": limit, "cursor": cursor}
        return await self._run(self._calls.page(query))

    async def list_all(
        self,
        *,
        state: str | Sequence[str] | None = None,
        name: str | None = None,
        array: str | None = None,
        label: str | None = None,
        fields: Sequence[str] | None = None,
        sort: str | None = None,
    ) -> AsyncIterator[Job]:
        """All jobs that match, fetched page by page during iteration."""
        cursor: str | None = None
        while True:
            page = await self.list(
                state=state, name=name, array=array, label=label, sort=sort, limit=1000, cursor=cursor
            )
            for job in page.jobs:
                yield job
            if page.next is None:
                return
            cursor = page.next

    async def cancel(self, id: str) -> Job:
        """Cancels a job. A job that waited has ended when this returns; a running job stops afterwards."""
        return await self._run(self._calls.cancel(id))

    async def cancel_many(
        self,
        ids: Sequence[str] | None = None,
        *,
        label: str | None = None,
        prefix: str | None = None,
        dry_run: bool = False,
    ) -> CancelledJobs:
        """Cancels many jobs by ids, a label or the beginning of their names: see `Jobs.cancel_many`."""
        given = None if ids is None else [*ids]
        request = CancelRequest(ids=given, label=label, prefix=prefix, dry_run=dry_run or None)
        return await self._run(self._calls.cancel_many(request))

    async def events(self, id: str) -> Sequence[JobEvent]:
        """The events of a job, oldest first."""
        return await self._run(self._calls.events(id))

    async def why(self, id: str) -> Why:
        """Why a job waits, when it is expected to start, and what would start it sooner."""
        return await self._run(self._calls.why(id))

    async def queue(self) -> QueueOverview:
        """Free capacity, waiting jobs, and how much of their limits you and your groups use."""
        return await self._run(self._calls.queue())

    async def account(self) -> Account:
        """Your user, and the scopes of the token."""
        return await self._run(self._calls.account())

    async def wait_any(self, ids: Sequence[str], *, seconds: float = WAIT_SECONDS) -> Waited:
        """Waits until one or more of up to 1,000 jobs have ended: see `Jobs.wait_any`."""
        return await self._run(self._calls.wait_any(ids, seconds))

    async def wait(self, ids: str | Sequence[str], *, on_ended: Callable[[Job], None] | None = None) -> Sequence[Job]:
        """Waits until all jobs have ended, and returns them in the order of the ids: see `Jobs.wait`."""
        return await self._run(self._calls.wait([ids] if isinstance(ids, str) else ids, on_ended))

    async def logs(
        self, id: str, *, follow: bool = False, range: tuple[int, int | None] = (0, None)
    ) -> AsyncIterator[bytes]:
        """The output of a job in pieces: see `Jobs.logs`."""
        start, end = range
        if follow:
            async for piece in self._follow(id, start):
                yield piece
        elif end is None or end > start:
            answer = await self._run(self._calls.log(id, follow=False, start=start, end=end))
            if answer is None:
                return
            try:
                async for piece in self._pieces(answer):
                    yield piece
            except IdleStream:
                raise UnreachableError(self.url, "the log broke off") from None

    async def log_lines(self, id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """The output of a job in lines, without their ends. What is not UTF-8 becomes U+FFFD."""
        lines = Lines()
        async for piece in self.logs(id, follow=follow):
            for line in lines.feed(piece):
                yield line
        for line in lines.end():
            yield line

    async def log_end(self, id: str, size: int = 65_536) -> bytes:
        """The last bytes of the log of a job, as it is now; fewer where there are fewer."""
        return await self._run(self._calls.log_end(id, size))

    async def run(
        self,
        request: Body,
        *,
        key: str | None = None,
        on_log: Callable[[str], None] | None = None,
        cancel_on_interrupt: bool = True,
    ) -> Job:
        """Submits a job, waits for it and returns it. Raises JobFailed unless it succeeded: see `Jobs.run`."""
        body = single_job(request)
        key = new_key() if key is None else key
        id: str | None = None
        try:
            id = (await self.submit(body, key=key)).ids[0]
            if on_log is not None:
                async for line in self.log_lines(id, follow=True):
                    on_log(line)
            (job,) = await self.wait(id)
        except (ProblemError, UnreachableError):
            raise
        except BaseException:
            if cancel_on_interrupt:
                # The cancellation of this task must not end the cancellation of the job.
                await asyncio.shield(asyncio.ensure_future(self._abandon(body, key, id)))
            raise
        if job.state != "succeeded":
            raise JobFailed(job)
        return job

    async def _abandon(self, body: Body, key: str, id: str | None) -> None:
        try:
            await self.cancel(id if id is not None else (await self.submit(body, key=key)).ids[0])
        except ClientError as error:
            left_running(id, error)

    async def _follow(self, id: str, start: int) -> AsyncIterator[bytes]:
        reading = LogReading(start)
        while True:
            try:
                # Asked before reading, as in Jobs.
                ended = reading.opened and (await self.get(id)).state in ENDED
                answer = await self._run(self._calls.log(id, follow=True, start=reading.position, end=None))
                reading.begin(answer)
                if answer is not None:
                    async for piece in self._pieces(answer):
                        fresh = reading.take(piece)
                        if fresh:
                            yield fresh
                if ended:
                    return
            except IdleStream:
                continue
            except ClientError as error:
                reading.fail(error, time.monotonic())
            await asyncio.sleep(reading.pause())
