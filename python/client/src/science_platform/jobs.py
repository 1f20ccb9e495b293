"""The client for programs with threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx

from .calls import ENDED, WAIT_SECONDS, Body, Calls
from .connection import Connection
from .errors import ClientError, JobFailed, ProblemError, UnreachableError
from .leaving import Leave
from .log_reading import Lines, LogReading
from .login import Identity
from .model import Account, CancelledJobs, CancelRequest, Job, JobEvent, JobPage, QueueOverview, Submitted, Waited, Why
from .running import left_running, new_key, single_job
from .transport import IdleStream


class Jobs(Connection):
    """Jobs on this platform's own API: submissions of all replicas or none, logs to follow, causes and usage of ended jobs.

    Address and token are the arguments, else CANFAR_URL and CANFAR_TOKEN, else the active login in `~/.canfar/config.yaml`. A
    saved token is sent to its own server alone, and read again when the server refuses it.

    Every method may be called from several threads. They raise ProblemError when the server refuses, and UnreachableError
    without an answer. `stop` is an event that ends a wait: WaitStopped is raised soon after it is set.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        registry: tuple[str, str] | None = None,
        timeout_seconds: float = 30,
        concurrency: int = 16,
        configuration: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Opens no connection yet.

        Args:
            url: The server: its root, `…/skaha/v1` or `…/api/v1`.
            token: The bearer token.
            registry: User and secret for private images, used by the jobs that this client submits.
            timeout_seconds: Seconds without a byte after which a request fails.
            concurrency: Most requests of one call at once.
            configuration: The file with the saved login, in the place of `~/.canfar/config.yaml`.
            transport: Replaces the network, for tests.

        """
        self._calls = Calls(Identity(url, token, configuration), registry, concurrency)
        super().__init__(self._calls.addresses.root, timeout_seconds, transport)

    def submit(self, request: Body, *, key: str | None = None, stop: threading.Event | None = None) -> Submitted:
        """Submits one job, or all replicas or none, and returns the ids.

        Without an answer the request is repeated for ten seconds under the same key, and no job is submitted twice. With a `key`
        of your own (1 to 255 visible characters) you may repeat it later: for 24 hours the server answers with the same ids.

        Args:
            request: A JobRequest, or a mapping with the names of the API (`memoryGb`).
            key: The Idempotency-Key. Left out: a random one.
            stop: Ends the retries.

        """
        return self._run(self._calls.submit(request, key), stop)

    def submit_batch(
        self, requests: Sequence[Body], *, key: str | None = None, stop: threading.Event | None = None
    ) -> Submitted:
        """Submits up to 1,000 unlike jobs or arrays, all or none.

        The ids are in the order of the requests; one with replicas has that many in a row. An error names the request in its `field`,
        such as `jobs[3].cores`. `key` and repetition are those of `submit`.
        """
        return self._run(self._calls.submit_batch(requests, key), stop)

    def get(self, id: str, *, stop: threading.Event | None = None) -> Job:
        """One job."""
        return self._run(self._calls.get(id), stop)

    def list(
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
        """One page of your jobs. `next` of the page is the `cursor` of the next one.

        Args:
            state: States, as a list or separated by commas.
            name: Names that start with this.
            array: The id of an array.
            label: `KEY=VALUE`, or `KEY` for any value of it.
            fields: Attributes of a job, such as `id` and `exit_code`: the others are None, and the server finds these sooner.
            sort: `submitted`, `-submitted`, `name` or `-name`.
            limit: Jobs of a page, at most 1,000; 50 if left out.
            cursor: Where the page begins.

        """
        given = {"state": state, "name": name, "array": array, "label": label, "fields": fields}
        query = {**given, "sort": sort, "limit": limit, "cursor": cursor}
        return self._run(self._calls.page(query))

    def list_all(
        self,
        *,
        state: str | Sequence[str] | None = None,
        name: str | None = None,
        array: str | None = None,
        label: str | None = None,
        fields: Sequence[str] | None = None,
        sort: str | None = None,
    ) -> Iterator[Job]:
        """All jobs that match, fetched page by page during iteration."""
        cursor: str | None = None
        while True:
            page = self.list(
                state=state,
                name=name,
                array=array,
                label=label,
                fields=fields,
                sort=sort,
                limit=1000,
                cursor=cursor,
            )
            yield from page.jobs
            if page.next is None:
                return
            cursor = page.next

    def cancel(self, id: str) -> Job:
        """Cancels a job. A job that waited has ended when this returns; a running job stops afterwards."""
        return self._run(self._calls.cancel(id))

    def cancel_many(
        self,
        ids: Sequence[str] | None = None,
        *,
        label: str | None = None,
        prefix: str | None = None,
        dry_run: bool = False,
    ) -> CancelledJobs:
        """Cancels many jobs, and returns the ids by what became of them. Give exactly one of the first three.

        Args:
            ids: The ids of jobs, as many as you like.
            label: `KEY=VALUE` or `KEY`: your jobs with this label that have not ended.
            prefix: The beginning of a name, at least three characters: your jobs that have not ended.
            dry_run: Return what would be cancelled, and cancel nothing.

        """
        given = None if ids is None else [*ids]
        request = CancelRequest(ids=given, label=label, prefix=prefix, dry_run=dry_run or None)
        return self._run(self._calls.cancel_many(request))

    def events(self, id: str) -> Sequence[JobEvent]:
        """The events of a job, oldest first."""
        return self._run(self._calls.events(id))

    def why(self, id: str) -> Why:
        """Why a job waits, when it is expected to start, and what would start it sooner."""
        return self._run(self._calls.why(id))

    def queue(self) -> QueueOverview:
        """Free capacity, waiting jobs, and how much of their limits you and your groups use."""
        return self._run(self._calls.queue())

    def account(self) -> Account:
        """Your user, and the scopes of the token."""
        return self._run(self._calls.account())

    def wait_any(
        self, ids: Sequence[str], *, seconds: float = WAIT_SECONDS, stop: threading.Event | None = None
    ) -> Waited:
        """Waits until one or more of up to 1,000 jobs have ended, at most so many seconds (300 at most).

        Returns those, and the ids that are no jobs of yours; empty lists when the time is over first. One request.
        """
        return self._run(self._calls.wait_any(ids, seconds), stop)

    def wait(
        self,
        ids: str | Sequence[str],
        *,
        on_ended: Callable[[Job], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Sequence[Job]:
        """Waits until all jobs have ended, and returns them in the order of the ids.

        A server that is away is waited for during five minutes. A mistyped id is an error at once.

        Args:
            ids: The ids of the jobs, or the id of one.
            on_ended: Called for each job as soon as it is known to have ended: never twice at the same time, but perhaps in
                another thread.
            stop: Ends the wait.

        """
        one_at_a_time = threading.Lock()

        def end(job: Job) -> None:
            if on_ended is not None:
                with one_at_a_time:
                    on_ended(job)

        return self._run(self._calls.wait([ids] if isinstance(ids, str) else ids, end), stop)

    def logs(
        self,
        id: str,
        *,
        follow: bool = False,
        range: tuple[int, int | None] = (0, None),
        stop: threading.Event | None = None,
    ) -> Iterator[bytes]:
        """The output of a job, stdout and stderr interleaved as written, in pieces.

        Args:
            id: The id of the job.
            follow: Continue until the job has ended. A broken connection resumes at the next byte, and a server that is away is
                waited for during five minutes.
            range: The first byte, and the byte after the last. `follow` ignores the second.
            stop: Ends the reading.

        """
        start, end = range
        if follow:
            yield from self._follow(id, start, stop)
        elif end is None or end > start:
            answer = self._run(self._calls.log(id, follow=False, start=start, end=end), stop)
            if answer is not None:
                try:
                    yield from self._pieces(answer, stop)
                except IdleStream:
                    raise UnreachableError(self.url, "the log broke off") from None

    def log_lines(self, id: str, *, follow: bool = False, stop: threading.Event | None = None) -> Iterator[str]:
        """The output of a job in lines, without their ends. What is not UTF-8 becomes U+FFFD."""
        lines = Lines()
        for piece in self.logs(id, follow=follow, stop=stop):
            yield from lines.feed(piece)
        yield from lines.end()

    def log_end(self, id: str, size: int = 65_536) -> bytes:
        """The last bytes of the log of a job, as it is now; fewer where there are fewer."""
        return self._run(self._calls.log_end(id, size))

    def run(
        self,
        request: Body,
        *,
        key: str | None = None,
        on_log: Callable[[str], None] | None = None,
        cancel_on_interrupt: bool = True,
        stop: threading.Event | None = None,
    ) -> Job:
        """Submits a job, waits for it and returns it. Raises JobFailed, with cause and hint, unless it succeeded.

        Args:
            request: One job, without `replicas`.
            key: The Idempotency-Key: a program that is started again under the same key finds the job that it submitted before.
            on_log: Called with each line of the output as it is written.
            cancel_on_interrupt: Cancel the job when this call is left early: Ctrl-C, `stop`, an error of `on_log`. A server that is
                away for five minutes does not cancel it.
            stop: Ends the wait.

        """
        body = single_job(request)
        key = new_key() if key is None else key
        id: str | None = None
        try:
            id = self.submit(body, key=key, stop=stop).ids[0]
            if on_log is not None:
                for line in self.log_lines(id, follow=True, stop=stop):
                    on_log(line)
            (job,) = self.wait(id, stop=stop)
        except (ProblemError, UnreachableError):
            raise
        except BaseException:
            if cancel_on_interrupt:
                self._abandon(body, key, id)
            raise
        if job.state != "succeeded":
            raise JobFailed(job)
        return job

    def _abandon(self, body: Body, key: str, id: str | None) -> None:
        """Cancels the job of a call that is left. Where the answer to the submission was lost, its key finds the id."""
        try:
            self.cancel(id if id is not None else self.submit(body, key=key).ids[0])
        except ClientError as error:
            left_running(id, error)

    def _follow(self, id: str, start: int, stop: threading.Event | None) -> Iterator[bytes]:
        reading = LogReading(start)
        while True:
            try:
                # Asked before reading: the log of an ended job is complete. The end of a stream alone does not mean that the job
                # has ended, because a server that stops ends its streams too.
                ended = reading.opened and self.get(id, stop=stop).state in ENDED
                answer = self._run(self._calls.log(id, follow=True, start=reading.position, end=None), stop)
                reading.begin(answer)
                if answer is not None:
                    for piece in self._pieces(answer, stop):
                        fresh = reading.take(piece)
                        if fresh:
                            yield fresh
                if ended:
                    return
            except IdleStream:
                continue
            except ClientError as error:
                reading.fail(error, time.monotonic())
            Leave(stop).pause(reading.pause())
