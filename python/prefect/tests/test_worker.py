from pathlib import Path

import flows
import pytest
from pool import InPool, Platform, Pool, job_is


def test_a_flow_runs_in_a_job(platform: Platform, in_pool: InPool, tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.good, memory_gb=8, time_seconds=600, env={"SURVEY": "night"})
        run = await pool.start(deployment, path=str(tmp_path / "out"))
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Completed")
        assert (tmp_path / "out").read_text() == f"ran in {run.id}\n"
        (job,) = platform.jobs
        assert job.body["name"].startswith(f"pf-{run.id}-")
        assert (job.body["memoryGb"], job.body["timeSeconds"], job.body["cmd"]) == (8, 600, "prefect")
        assert job.body["env"]["SURVEY"] == "night"
        leaked = [
            name for name in job.body["env"] if name.startswith(("PREFECT_SERVER", "PREFECT_WORKER", "PREFECT_HOME"))
        ]
        assert leaked == []
        assert (await pool.client.read_flow_run(run.id)).infrastructure_pid == job.id

    in_pool(test)


def test_the_state_that_the_runner_reports_stays(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        failing = await pool.start(await pool.deploy(flows.fails))
        killed = await pool.start(await pool.deploy(flows.killed))
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert "no calibration frames" in await pool.becomes(failing, "Failed")
            # The engine was killed, and not its runner: the job itself ends well.
            await pool.becomes(killed, "Crashed")
        assert {job.state for job in platform.jobs} == {"succeeded"}

    in_pool(test)


def test_a_job_that_dies_before_its_flow_gives_cause_and_log(
    platform: Platform, in_pool: InPool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.good, command="sh -c 'echo git is missing; exit 7'")
        run = await pool.start(deployment, path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            message = await pool.becomes(run, "Crashed")
        assert message.endswith("failed: The command ended with exit code 7.")
        assert "git is missing" in caplog.text

    in_pool(test)


def test_a_cause_of_the_platform_is_the_message_of_the_run(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.fate = lambda job: "out-of-memory"
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert "needed more than its limit of 1 GiB" in await pool.becomes(run, "Crashed")

    in_pool(test)


def test_a_refused_job_is_no_hanging_run(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.good, command=f"sh -c {'x' * 140_000}"), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert "longer than 128 KiB" in await pool.becomes(run, "Crashed")
        assert platform.jobs == []

    in_pool(test)


def test_a_prefect_server_that_jobs_cannot_reach_is_refused(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.good, network="isolated"), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert "Set it to an address that jobs reach" in await pool.becomes(run, "Crashed")
        assert platform.jobs == []

    in_pool(test)


def test_a_run_that_waits_says_why_and_is_cancelled_before_it_starts(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert await pool.becomes(run, "InfrastructurePending", worker.sweep) == "Two jobs are ahead."
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        assert [job.state for job in platform.jobs] == ["cancelled"]

    in_pool(test)


def test_a_running_flow_is_cancelled(platform: Platform, in_pool: InPool, tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.waits, cancelling_grace_seconds=3600)
        run = await pool.start(deployment, path=str(tmp_path / "flow"))
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Running")
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        await job_is(platform, "cancelled", "failed", "succeeded")

    in_pool(test)


def test_a_job_that_does_not_heed_is_cancelled_after_the_grace_period(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.good, command="sleep 3600", cancelling_grace_seconds=1)
        run = await pool.start(deployment, path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await job_is(platform, "running")
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        await job_is(platform, "cancelled")

    in_pool(test)
