"""One wait for all jobs of a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from science_platform import AsyncJobs, ClientError, Job, ProblemError

#: Ids of one request: the server takes no more.
_IDS_PER_REQUEST = 1_000


class Waiter:
    """Waits for jobs with one request for a thousand of them, for as long as it takes.

    A platform that is away, and a token that has expired, are waited for: neither says anything about a job.
    """

    def __init__(self, jobs: AsyncJobs, warn: Callable[[str], None], pause_seconds: float = 5) -> None:
        """Takes a client, and how to report an outage."""
        self._jobs = jobs
        self._warn = warn
        self._pause = pause_seconds
        self._open: dict[str, asyncio.Future[Job | None]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, id: str) -> Job | None:
        """The job as it ended; None where the platform does not know it."""
        future = self._open.get(id)
        if future is None:
            future = self._open[id] = asyncio.get_running_loop().create_future()
            self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await asyncio.shield(future)

    def stop(self) -> None:
        """Ends the waiting; jobs go on."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        away = False
        while self._open:
            self._changed.clear()
            ids = [*self._open]
            asked = time.monotonic()
            requests = [
                asyncio.ensure_future(self._ended(ids[start : start + _IDS_PER_REQUEST]))
                for start in range(0, len(ids), _IDS_PER_REQUEST)
            ]
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                # A new id joins at once: it ends the open requests.
                await asyncio.wait([*requests, changed], return_when=asyncio.FIRST_COMPLETED)
                done = [request for request in requests if request.done()]
            finally:
                for task in (*requests, changed):
                    task.cancel()
            # A server that shuts down answers at once.
            if done and time.monotonic() - asked < 1 and not any(one.exception() or one.result() for one in done):
                await asyncio.sleep(0.25)
            for request in done:
                try:
                    outcomes = request.result()
                except ClientError as error:
                    if not away:
                        self._warn(f"The platform cannot say which jobs have ended, and is asked again: {error}")
                    away = True
                    await asyncio.sleep(self._pause)
                    continue
                away = False
                for id, job in outcomes.items():
                    future = self._open.pop(id, None)
                    if future is not None and not future.done():
                        future.set_result(job)

    async def _ended(self, ids: list[str]) -> dict[str, Job | None]:
        waited = await self._jobs.wait_any(ids)
        outcomes: dict[str, Job | None] = dict.fromkeys(waited.unknown)
        for one in waited.ended:
            try:
                outcomes[one.id] = await self._jobs.get(one.id)
            except ProblemError as error:
                if error.status != 404:
                    raise
                outcomes[one.id] = None
        return outcomes
