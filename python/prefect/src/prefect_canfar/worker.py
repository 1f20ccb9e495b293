"""The worker."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import anyio.abc
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import Abort, InfrastructureNotAvailable, InfrastructureNotFound, ObjectNotFound
from prefect.states import InfrastructurePending, Scheduled
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseWorker, BaseWorkerResult
from science_platform import AsyncJobs, ClientError, Job, ProblemError, UnreachableError

from .configuration import CanfarJobConfiguration, CanfarVariables, name_prefix
from .sweep import Situation, situation
from .waiter import Waiter

#: Seconds of a lease of a deployment's concurrency limit.
_LEASE_SECONDS = 300.0
#: Runs of one page of the Prefect server: it gives no more.
_PAGE = 200
#: Bytes of a log that the run gets where its flow never started.
_LOG_BYTES = 65_536


class CanfarWorkerResult(BaseWorkerResult):
    """The id of a job and its exit code."""


class CanfarWorker(BaseWorker[CanfarJobConfiguration, CanfarVariables, CanfarWorkerResult]):
    """Runs each flow run as a batch job. Address and token are those of `science_platform.Jobs`."""

    type = "canfar"
    job_configuration = CanfarJobConfiguration
    job_configuration_variables = CanfarVariables
    _description = "Run flows as batch jobs of a science platform. Not made by CANFAR."
    _display_name = "CANFAR"

    #: Seconds between looks at all runs of the pool.
    sweep_seconds: float = 5
    #: Seconds in which a submission without an answer is repeated.
    submit_seconds: float = 60
    #: Seconds from the end of a failed job until its run counts as crashed: the runner may have reported more.
    settle_seconds: float = 10
    #: Seconds between changes of the message of a run that waits.
    message_seconds: float = 600
    #: Factor on the seconds that a situation must last, for tests.
    patience: float = 1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Takes the arguments of every worker."""
        super().__init__(*arguments, **options)
        self._jobs: dict[tuple[str, str] | None, AsyncJobs] = {}
        self._waiters: dict[AsyncJobs, Waiter] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._since: dict[UUID, tuple[Situation, float]] = {}
        self._configurations: dict[UUID, CanfarJobConfiguration] = {}
        self._messages: dict[UUID, tuple[str, float]] = {}
        self._renewed: dict[UUID, float] = {}

    async def setup(self) -> None:
        """Prepares the worker, and begins to look at the runs of the pool."""
        await super().setup()
        self._sweeper = asyncio.create_task(self._sweep_again_and_again())

    async def teardown(self, *exc_info: Any) -> None:
        """Ends the worker. Jobs go on; the sweep of any worker of the pool looks after them."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super().teardown(*exc_info)
        for waiter in self._waiters.values():
            waiter.stop()
        for jobs in self._jobs.values():
            await jobs.close()
        self._jobs, self._waiters = {}, {}

    # --- a run ---

    async def run(
        self,
        flow_run: FlowRun,
        configuration: CanfarJobConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> CanfarWorkerResult:
        """Submits the job of a run and waits for its end."""
        jobs = self._client_for(configuration)
        id = await self._submit(jobs, flow_run, configuration)
        if task_status is not None:
            task_status.started(id)
        job = await self._waiter_for(jobs).wait(id)
        return await self._ended(jobs, flow_run, id, job)

    async def _initiate_run(self, flow_run: FlowRun, configuration: CanfarJobConfiguration) -> None:
        await self._submit(self._client_for(configuration), flow_run, configuration)

    async def kill_infrastructure(
        self, infrastructure_pid: str, configuration: CanfarJobConfiguration, grace_seconds: int = 30
    ) -> None:
        """Cancels a job. Its own grace period counts."""
        try:
            await self._client_for(configuration).cancel(infrastructure_pid)
        except ProblemError as error:
            if error.status == 404:
                raise InfrastructureNotFound(f"There is no job {infrastructure_pid}: {error}") from error
            raise InfrastructureNotAvailable(str(error)) from error
        except UnreachableError as error:
            raise InfrastructureNotAvailable(str(error)) from error

    async def _submit(self, jobs: AsyncJobs, flow_run: FlowRun, configuration: CanfarJobConfiguration) -> str:
        """Submits the job of a run, once for each time that the run is scheduled, and returns its id."""
        body = configuration.request(flow_run)
        key = f"{flow_run.id}-{flow_run.state_id}"
        until = time.monotonic() + self.submit_seconds
        while True:
            try:
                return (await jobs.submit(body, key=key)).ids[0]
            except UnreachableError:
                if time.monotonic() >= until:
                    raise
            except ProblemError as error:
                # Another worker submitted this run, with settings of its own.
                found = await self._find(jobs, flow_run.id) if error.type == "idempotency-conflict" else None
                if found is None:
                    raise
                return found.id

    async def _ended(self, jobs: AsyncJobs, flow_run: FlowRun, id: str, job: Job | None) -> CanfarWorkerResult:
        """Reports the end of a job, unless the runner in it has."""
        logger = self.get_flow_run_logger(flow_run)
        if job is not None and job.usage is not None and job.usage.oom_kills:
            logger.warning(
                "In job %s the kernel killed %d processes for lack of memory. The job variable memory_gb asks for more.",
                id,
                job.usage.oom_kills,
            )
        if job is not None and job.state == "succeeded":
            return CanfarWorkerResult(identifier=id, status_code=0)
        await asyncio.sleep(self.settle_seconds * self.patience)
        await self._report(jobs, flow_run.id, id, words_of(id, job))
        return CanfarWorkerResult(identifier=id, status_code=(job.exit_code if job is not None else None) or 1)

    async def _report(self, jobs: AsyncJobs, run_id: UUID, id: str, why: str) -> None:
        """Sets the final state of a run whose job has ended, where the run still has none and still belongs to this job."""
        try:
            fresh = await self.client.read_flow_run(run_id)
        except ObjectNotFound:
            return
        kind = fresh.state_type
        if fresh.infrastructure_pid not in {None, id}:
            return
        if kind == StateType.CANCELLING:
            await self._mark_flow_run_as_cancelled(fresh, state_updates={"message": f"Cancelled: {why}"})
            return
        if kind not in {StateType.PENDING, StateType.RUNNING}:
            return
        if fresh.start_time is None:
            await self._show_log(jobs, fresh, id)
        await self._propose_crashed_state(fresh, why)

    async def _show_log(self, jobs: AsyncJobs, flow_run: FlowRun, id: str) -> None:
        """Sends the end of the job's log to the run: the flow that would have sent it never started."""
        try:
            text = (await jobs.log_end(id, _LOG_BYTES)).decode(errors="replace").strip()
        except ClientError:
            return
        if text:
            self.get_flow_run_logger(flow_run).error("The end of the log of job %s:\n%s", id, text)

    # --- all runs of the pool ---

    async def _sweep_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self.sweep_seconds)
            try:
                await self.sweep()
            except Exception as error:
                self._logger.warning("Could not look at the runs of the pool, and will again: %s", error)

    async def sweep(self) -> None:
        """Looks at every run of the pool that is pending, running or to be cancelled, with its job."""
        runs = [run for run in await self._unfinished_runs() if run.id not in self._submitting_flow_run_ids]
        present = {run.id for run in runs}
        for memory in (self._since, self._configurations, self._messages, self._renewed):
            for gone in [one for one in memory if one not in present]:
                del memory[gone]
        live: dict[AsyncJobs, dict[str, Job]] = {}
        for run in runs:
            try:
                configuration = await self._configuration_of(run)
                jobs = self._client_for(configuration)
                if jobs not in live:
                    found = jobs.list_all(name="pf-", state="held,queued,starting,running,stopping")
                    live[jobs] = {job.id: job async for job in found}
                await self._look(run, configuration, jobs, live[jobs])
            except (ClientError, Abort, ObjectNotFound) as error:
                self._logger.debug("Could not look at run %s, and will again: %s", run.id, error)

    async def _unfinished_runs(self) -> list[FlowRun]:
        kinds = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
        runs: list[FlowRun] = []
        while True:
            page = await self.client.read_flow_runs(
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool_name])),
                flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds))),
                limit=_PAGE,
                offset=len(runs),
            )
            runs += page
            if len(page) < _PAGE:
                return runs

    async def _look(
        self, run: FlowRun, configuration: CanfarJobConfiguration, jobs: AsyncJobs, live: dict[str, Job]
    ) -> None:
        id = run.infrastructure_pid
        job = live.get(id) if id is not None else None
        if id is not None and job is None:
            try:
                job = await jobs.get(id)
            except ProblemError as error:
                if error.status != 404:
                    raise
        here = situation(run.state_type, job.state if job is not None else None, known=id is not None)
        if here is None:
            self._since.pop(run.id, None)
            return
        before = self._since.get(run.id)
        if before is None or before[0] is not here:
            before = self._since[run.id] = (here, time.monotonic())
        seconds = configuration.cancelling_grace_seconds if here is Situation.CANCEL_RUNNING else here.seconds
        if time.monotonic() - before[1] >= seconds * self.patience:
            await self._act(here, run, jobs, id, job)

    async def _act(self, here: Situation, run: FlowRun, jobs: AsyncJobs, id: str | None, job: Job | None) -> None:
        match here:
            case Situation.WAITS:
                await self._renew_lease(run)
                await self._tell_why(run, jobs, str(id))
            case Situation.LOST:
                await self._report(jobs, run.id, str(id), words_of(str(id), job))
            case Situation.UNFINISHED:
                why = f"Job {id} ended with exit code 0, but the run has no final state: its command ran no flow to the end."
                await self._report(jobs, run.id, str(id), why)
            case Situation.CANCEL_WAITING:
                await jobs.cancel(str(id))
                await self._mark_flow_run_as_cancelled(run, state_updates={"message": f"Job {id} had not started."})
            case Situation.CANCEL_RUNNING:
                await jobs.cancel(str(id))
            case Situation.CANCEL_ENDED:
                await self._report(jobs, run.id, str(id), words_of(str(id), job))
            case Situation.WITHOUT_JOB | Situation.CANCEL_WITHOUT_JOB:
                await self._find_or_reschedule(here, run, jobs)

    async def _find_or_reschedule(self, here: Situation, run: FlowRun, jobs: AsyncJobs) -> None:
        found = await self._find(jobs, run.id)
        fresh = await self.client.read_flow_run(run.id)
        if fresh.state_id != run.state_id or fresh.infrastructure_pid is not None:
            return
        if found is not None:
            await self.client.update_flow_run(run.id, infrastructure_pid=found.id)
        elif here is Situation.CANCEL_WITHOUT_JOB:
            await self._mark_flow_run_as_cancelled(run, state_updates={"message": "No job had been submitted."})
        else:
            message = "The worker that took this run ended before it submitted a job."
            await self.client.set_flow_run_state(run.id, Scheduled(message=message), force=True)

    async def _renew_lease(self, run: FlowRun) -> None:
        """Keeps the slot of the deployment's concurrency limit: the server takes it back after five minutes."""
        lease = run.state.state_details.deployment_concurrency_lease_id if run.state is not None else None
        now = time.monotonic()
        if lease is None or now - self._renewed.get(run.id, -_LEASE_SECONDS) < _LEASE_SECONDS / 5 * self.patience:
            return
        await self.client.renew_concurrency_lease(lease_id=lease, lease_duration=_LEASE_SECONDS)
        self._renewed[run.id] = now

    async def _tell_why(self, run: FlowRun, jobs: AsyncJobs, id: str) -> None:
        summary = (await jobs.why(id)).summary
        known, at = self._messages.get(run.id, ("", -self.message_seconds))
        now = time.monotonic()
        if not summary or summary == known or now - at < self.message_seconds * self.patience:
            return
        self._messages[run.id] = (summary, now)
        await propose_state(self.client, InfrastructurePending(message=summary), flow_run_id=run.id)

    async def _find(self, jobs: AsyncJobs, run_id: UUID) -> Job | None:
        """The job of a run that was submitted last."""
        found = [job async for job in jobs.list_all(name=name_prefix(run_id), sort="-submitted")]
        return found[0] if found else None

    # --- clients ---

    async def _configuration_of(self, run: FlowRun) -> CanfarJobConfiguration:
        configuration = self._configurations.get(run.id)
        if configuration is None:
            configuration = await CanfarJobConfiguration.resolve_for_flow_run(
                run, client=self.client, work_pool=self.work_pool, worker_name=self.name, worker_id=self.backend_id
            )
            self._configurations[run.id] = configuration
        return configuration

    def _client_for(self, configuration: CanfarJobConfiguration) -> AsyncJobs:
        credentials = configuration.credentials
        key = None if credentials is None else (credentials.url, credentials.token.get_secret_value())
        if key not in self._jobs:
            self._jobs[key] = AsyncJobs() if key is None else AsyncJobs(*key)
        return self._jobs[key]

    def _waiter_for(self, jobs: AsyncJobs) -> Waiter:
        if jobs not in self._waiters:
            self._waiters[jobs] = Waiter(jobs, self._logger.warning)
        return self._waiters[jobs]


def words_of(id: str, job: Job | None) -> str:
    """Why a job ended, with the hint of the platform."""
    if job is None:
        return f"Job {id} is not known to the platform."
    cause = job.cause
    words = [f"Job {id} {job.state}:", cause.message if cause is not None else f"exit code {job.exit_code}."]
    if cause is not None and cause.hint:
        words.append(cause.hint)
    return " ".join(words)
