"""Workers, servers and the platform that go away."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import flows
from pool import InPool, Platform, Pool, job_is, until
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Pending
from prefect_canfar.configuration import name_prefix
from prefect_canfar.waiter import Waiter
from science_platform import AsyncJobs, JobRequest


def a_worker_that_dies(pool: Pool) -> "subprocess.Popen[bytes]":
    """A worker in a process of its own, which takes runs and never looks again."""
    program = (
        "import asyncio, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pool import Worker\n"
        "async def main():\n"
        "    async with Worker(work_pool_name=sys.argv[1]) as worker:\n"
        "        while True:\n"
        "            await worker.get_and_submit_flow_runs()\n"
        "            await asyncio.sleep(0.1)\n"
        "asyncio.run(main())\n"
    )
    here = Path(__file__).parent
    environment = {**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
    paths = [str(here), str(here.parents[1] / "snakemake" / "tests")]
    return subprocess.Popen([sys.executable, "-c", program, pool.name, *paths], env=environment)


def test_a_flow_whose_worker_was_killed_ends_by_itself(platform: Platform, in_pool: InPool, tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.waits), path=str(tmp_path / "flow"))
        with a_worker_that_dies(pool) as process:
            await pool.becomes(run, "Running")
            process.send_signal(signal.SIGKILL)
        (tmp_path / "flow.go").touch()
        await pool.becomes(run, "Completed")
        assert len(platform.jobs) == 1

    in_pool(test)


async def submit_by_hand(run: FlowRun) -> str:
    """The job that a worker has submitted before it died."""
    async with AsyncJobs() as jobs:
        name = f"{name_prefix(run.id)}-x"
        request = JobRequest(name=name, image="i/p:1", cmd="true", args=[], cores=1, memory_gb=1)
        return (await jobs.submit(request)).ids[0]


def test_a_job_that_fails_while_no_worker_runs_is_reported_by_the_next(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        await pool.client.set_flow_run_state(run.id, Pending())
        await pool.client.update_flow_run(run.id, infrastructure_pid=await submit_by_hand(run))
        platform.processes.end(platform.jobs[0], "failed", "lost")
        async with pool.worker() as worker:
            message = await pool.becomes(run, "Crashed", worker.sweep)
        assert message.endswith("failed: The job ended: lost.")

    in_pool(test)


def test_a_run_whose_worker_died_before_the_submission_is_scheduled_again(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.good, command="sh -c 'exit 5'"), path="/dev/null")
        await pool.client.set_flow_run_state(run.id, Pending())
        async with pool.worker() as worker:
            await pool.becomes(run, "Scheduled", worker.sweep)
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Crashed")
        assert len(platform.jobs) == 1

    in_pool(test)


def test_a_run_whose_worker_died_after_the_submission_finds_its_job(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        await pool.client.set_flow_run_state(run.id, Pending())
        id = await submit_by_hand(run)
        async with pool.worker() as worker:
            await pool.becomes(run, "InfrastructurePending", worker.sweep)
            assert (await pool.client.read_flow_run(run.id)).infrastructure_pid == id
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)
        await job_is(platform, "cancelled")

    in_pool(test)


def test_a_run_that_is_cancelled_before_a_job_exists(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        await pool.client.set_flow_run_state(run.id, Pending())
        await pool.cancel(run)
        async with pool.worker() as worker:
            await pool.becomes(run, "Cancelled", worker.sweep)
        assert platform.jobs == []

    in_pool(test)


def test_a_platform_that_is_away_crashes_no_run(platform: Platform, in_pool: InPool, tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        gate = tmp_path / "gate"
        command = f"sh -c 'while [ ! -e {gate} ]; do sleep 0.1; done; exit 5'"
        run = await pool.start(await pool.deploy(flows.good, command=command), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await job_is(platform, "running")
            await pool.becomes(run, "Submitting")
            platform.away = True
            before = len(platform.requests)
            await worker.sweep()
            await until("the worker to ask again", lambda: len(platform.requests) > before + 3)
            assert (await pool.state(run))[0] == "Submitting"
            platform.away = False
            gate.touch()
            assert "exit code 5" in await pool.becomes(run, "Crashed")

    in_pool(test)


def test_a_submission_whose_answer_is_lost_makes_one_job(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.swallow = 2
        run = await pool.start(await pool.deploy(flows.good, command="sh -c 'exit 5'"), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Crashed")
        assert len(platform.jobs) == 1
        assert platform.replays >= 1

    in_pool(test)


def test_the_slot_of_a_deployment_is_kept_while_its_job_waits(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        run = await pool.start(await pool.deploy(flows.good, limit=1), path="/dev/null")
        renewed: list[tuple[object, float]] = []
        async with pool.worker() as worker:
            renew = worker.client.renew_concurrency_lease

            async def noted(lease_id: object, lease_duration: float) -> object:
                answer = await renew(lease_id=lease_id, lease_duration=lease_duration)  # type: ignore[arg-type]
                answer.raise_for_status()
                renewed.append((lease_id, lease_duration))
                return answer

            worker.client.renew_concurrency_lease = noted  # type: ignore[method-assign,assignment]
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "InfrastructurePending", worker.sweep)
            # The state that tells why keeps the lease.
            before = len(renewed)
            worker._renewed.clear()
            await worker.sweep()
            assert len(renewed) == before + 1
            assert {seconds for _, seconds in renewed} == {300.0}
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled", worker.sweep)

    in_pool(test)


def test_two_workers_that_look_at_the_same_runs_do_nothing_twice(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.good, command="sh -c 'exit 5'")
        run = await pool.start(deployment, path="/dev/null")
        async with pool.worker() as first, pool.worker() as second:
            await first.get_and_submit_flow_runs()
            await second.get_and_submit_flow_runs()

            async def both() -> None:
                await first.sweep()
                await second.sweep()

            await pool.becomes(run, "Crashed", both)
        assert len(platform.jobs) == 1
        states = await pool.client.read_flow_run_states(run.id)
        assert [state.type for state in states].count(StateType.CRASHED) == 1

    in_pool(test)


def test_a_command_that_runs_no_flow_is_no_run_for_ever(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        run = await pool.start(await pool.deploy(flows.good, command="sh -c true"), path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            assert "the run has no final state" in await pool.becomes(run, "Crashed", worker.sweep)

    in_pool(test)


def test_a_run_that_is_scheduled_again_has_a_job_for_each_time(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        deployment = await pool.deploy(flows.good, command="sh -c 'exit 5'")
        run = await pool.start(deployment, path="/dev/null")
        async with pool.worker() as worker:
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Crashed")
            await pool.client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
            await worker.get_and_submit_flow_runs()
            await pool.becomes(run, "Crashed")
        assert len(platform.jobs) == 2

    in_pool(test)


def test_one_request_waits_for_many_jobs(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        warnings: list[str] = []
        async with AsyncJobs() as jobs:
            request = JobRequest(name="n", image="i/p:1", cmd="true", args=[], cores=1, memory_gb=1)
            ids = [(await jobs.submit(request)).ids[0] for _ in range(20)]
            waiter = Waiter(jobs, warnings.append, pause_seconds=0.05)
            waits = [asyncio.ensure_future(waiter.wait(id)) for id in [*ids, "zzzzzzzz"]]
            await until("the unknown one", lambda: waits[-1].done())
            assert await waits[-1] is None
            platform.away = True
            await until("a warning", lambda: warnings)
            platform.away = False
            platform.processes.hold_queue = False
            with platform.processes.changed:
                platform.processes.changed.notify_all()
            ended = await asyncio.gather(*waits[:-1])
            assert {job.state for job in ended if job is not None} == {"succeeded"}
            assert len(ended) == 20
            waiter.stop()
        assert len(warnings) == 1

    in_pool(test)
