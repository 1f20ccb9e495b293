"""The worker on the real platform, with commands in the place of Prefect: it is in no image of a test."""

from collections.abc import Iterator
from typing import Any

import flows
import pytest
from pool import InPool, Pool, until
from prefect.client.schemas.objects import FlowRun
from prefect_canfar import CanfarCredentials
from pydantic import SecretStr
from science_platform_testing import IMAGE
from science_platform_testing import Platform as RealPlatform


@pytest.fixture(scope="module")
def real() -> Iterator[RealPlatform]:
    with RealPlatform() as one:
        yield one


async def deploy(pool: Pool, real: RealPlatform, line: str, **variables: Any) -> FlowRun:
    """A run of a shell line, submitted with the login of a block."""
    block = CanfarCredentials(url=real.url, token=SecretStr(real.token))
    id = await block.save(pool.name.replace("_", "-")[-40:], overwrite=True, client=pool.client)
    deployment = await pool.deploy(
        flows.good,
        image=IMAGE,
        network=None,
        memory_gb=1,
        command=f"sh -c '{line}'",
        env={"PREFECT_API_URL": "https://prefect.example.org/api"},
        credentials={"$ref": {"block_document_id": str(id)}},
        **variables,
    )
    return await pool.start(deployment, path="/dev/null")


def test_a_job_that_fails(real: RealPlatform, in_pool: InPool, caplog: pytest.LogCaptureFixture) -> None:
    async def test(pool: Pool) -> None:
        run = await deploy(pool, real, "echo no prefect here; exit 5")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            message = await pool.becomes(run, "Crashed")
        (job,) = real.jobs().list_all(name=f"pf-{run.id}")
        assert job.cause is not None
        assert message.startswith(f"Job {job.id} failed: {job.cause.message}")
        assert "no prefect here" in caplog.text
        assert job.labels is not None
        assert job.labels["prefect.io/flow-run-id"] == str(run.id)
        assert [one.id for one in real.jobs().list_all(label=f"prefect.io/flow-run-id={run.id}")] == [job.id]

    in_pool(test)


def test_a_job_that_runs_is_cancelled(real: RealPlatform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await deploy(pool, real, "sleep 600", cancelling_grace_seconds=1, grace_seconds=1)
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await until("the job to run", lambda: real.jobs().list(name=f"pf-{run.id}", state="running").jobs)
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        (job,) = real.jobs().list_all(name=f"pf-{run.id}")
        assert job.state == "cancelled"

    in_pool(test)


def test_a_job_that_waits_says_why(real: RealPlatform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        jobs = real.jobs()
        cores = int(jobs.queue().capacity.cores)
        (blocker,) = jobs.submit(
            {"name": "blocker", "image": IMAGE, "cmd": "sleep", "args": ["600"], "cores": cores}
        ).ids
        run = await deploy(pool, real, "true", cores=cores)
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert await pool.becomes(run, "InfrastructurePending", worker.sweep) != ""
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        jobs.cancel(blocker)

    in_pool(test)
