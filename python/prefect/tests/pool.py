"""What the tests of the worker share: a platform, a worker and a work pool."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.flows import Flow
from prefect.states import Cancelling
from prefect_canfar import CanfarWorker
from standin import StandIn, StandInJob

FLOWS = Path(__file__).parent


class Platform(StandIn):
    """The stand-in, with labels, and with a reason for each job that waits."""

    def _submit(self, body: dict[str, Any], key: str | None) -> tuple[int, Any]:
        return super()._submit({name: value for name, value in body.items() if name not in {"labels", "jobToken"}}, key)

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> tuple[int, Any]:
        if path.endswith("/why"):
            _, job = super().answer(method, path.removesuffix("/why"), query, headers, body)
            return 200, {"id": job["id"], "state": job["state"], "summary": "Two jobs are ahead."}
        return super().answer(method, path, query, headers, body)


class Worker(CanfarWorker):
    """The worker, a hundred times less patient, and with sweeps when a test wants one."""

    type = "canfar-test"
    sweep_seconds: float = 3600
    patience = 0.01


class Pool:
    """A work pool of the worker."""

    def __init__(self, client: PrefectClient, name: str) -> None:
        self.client = client
        self.name = name

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        async with Worker(work_pool_name=self.name) as worker:
            yield worker

    async def deploy(self, flow: Flow[Any, Any], limit: int | None = None, **variables: Any) -> UUID:
        """A deployment of a flow of flows.py, by a path that jobs see too."""
        flow_id = await self.client.create_flow(flow)
        return await self.client.create_deployment(
            flow_id,
            name=flow.name,
            work_pool_name=self.name,
            path=str(FLOWS),
            entrypoint=f"flows.py:{flow.name}",
            job_variables=variables,
            concurrency_limit=limit,
        )

    async def start(self, deployment: UUID, **parameters: Any) -> FlowRun:
        return await self.client.create_flow_run_from_deployment(deployment, parameters=parameters)

    async def state(self, run: FlowRun) -> tuple[str | None, str]:
        """The name of its state, and the message."""
        fresh = await self.client.read_flow_run(run.id)
        assert fresh.state is not None
        return fresh.state.name, fresh.state.message or ""

    async def becomes(self, run: FlowRun, name: str, sweep: Callable[[], Awaitable[None]] | None = None) -> str:
        """The message of a run's state, when it has that name."""
        for _ in range(1200):
            if sweep is not None:
                await sweep()
            found, message = await self.state(run)
            if found == name:
                return message
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{name}, but the run is {await self.state(run)}")

    async def cancel(self, run: FlowRun) -> None:
        """As the button of the Prefect server does."""
        await self.client.set_flow_run_state(run.id, Cancelling())


async def until(what: str, look: Callable[[], Any]) -> None:
    """Waits without holding up the worker, which runs in the same thread."""
    for _ in range(1200):
        if look():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"waited for {what}")


async def job_is(platform: Platform, *states: str) -> StandInJob:
    """The only job of the platform, in one of these states."""
    await until(f"a job to be {states}", lambda: [job for job in platform.jobs if job.state in states])
    (job,) = platform.jobs
    return job


#: Runs a test in a pool of its own.
InPool: TypeAlias = Callable[[Callable[[Pool], Awaitable[None]]], None]
