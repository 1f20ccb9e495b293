"""Real Parsl: the HighThroughputExecutor with its workers in jobs of the real server."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import parsl
import pytest
from other_machine import other_machine
from parsl import Config, python_app
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl_canfar import CanfarProvider
from science_platform import Job
from science_platform_testing import IMAGE, Platform, eventually

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "parsl" / "stars.py"


def blocks(platform: Platform, run: str) -> list[Job]:
    with platform.jobs() as jobs:
        return [*jobs.list_all(label=f"parsl-run={run}")]


def engine(platform: Platform, tmp_path: Path, tasks: int, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "engine.py"), IMAGE, str(tmp_path / "runinfo"), str(tasks), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)


def test_tasks_run_in_blocks_which_end_with_the_program(platform: Platform, tmp_path: Path) -> None:
    with engine(platform, tmp_path, 3, 0) as process:
        output, _ = process.communicate(timeout=240)
    first, *results = output.splitlines()
    assert process.returncode == 0
    assert results == ["result 1 /arc/home/ada"] * 3
    run = first.split()[1]
    assert f"canfar cancel --label parsl-run={run}" in (tmp_path / "runinfo" / "000" / "parsl.log").read_text()
    (block,) = blocks(platform, run)
    assert block.name == "parsl-highthroughputexecutor-block-0"
    with platform.jobs() as jobs:
        (ended,) = jobs.wait(block.id)
    assert ended.state == "cancelled"


def test_the_blocks_of_a_killed_engine_end_by_themselves(platform: Platform, tmp_path: Path) -> None:
    with engine(platform, tmp_path, 2, 1) as process:
        assert process.stdout is not None
        run = process.stdout.readline().split()[1]
        # The first result: a worker is connected.
        assert process.stdout.readline().startswith("result")
        process.send_signal(signal.SIGKILL)
        process.wait()
    (block,) = blocks(platform, run)
    with platform.jobs() as jobs:
        (ended,) = jobs.wait(block.id)
    assert ended.state != "cancelled"
    assert ended.cause is not None
    assert ended.cause.code == "exited"


def test_a_server_that_dies_while_tasks_run(platform: Platform, tmp_path: Path) -> None:
    with engine(platform, tmp_path, 3, 2) as process:
        assert process.stdout is not None
        run = process.stdout.readline().split()[1]
        assert process.stdout.readline().startswith("result")
        platform.stop(signal.SIGKILL)
        try:
            results = [process.stdout.readline() for _ in range(2)]
        finally:
            platform.start()
        assert results == ["result 1 /arc/home/ada\n"] * 2
        process.wait(timeout=240)
    (block,) = blocks(platform, run)
    with platform.jobs() as jobs:
        jobs.cancel(block.id)
        jobs.wait(block.id)


@python_app
def nothing() -> None:
    """Never runs: no block comes up."""


def failure(tmp_path: Path, executor: HighThroughputExecutor) -> str:
    with parsl.load(Config(executors=[executor], run_dir=str(tmp_path / "runinfo"), strategy_period=0.5)):
        future = nothing()
        with pytest.raises(BadStateException) as caught:
            future.result(timeout=240)
    return str(caught.value)


def test_a_block_that_ends_at_once_tells_why_in_the_error(platform: Platform, tmp_path: Path) -> None:
    provider = CanfarProvider(IMAGE, worker_init="echo no such environment; exit 9", network="host")
    executor = HighThroughputExecutor(provider=provider, address="127.0.0.1", worker_logdir_root="/scratch")
    words = failure(tmp_path, executor)
    assert "  | no such environment" in words
    assert "canfar logs" in words


def test_a_loopback_address_is_refused_in_the_error(platform: Platform, tmp_path: Path) -> None:
    executor = HighThroughputExecutor(
        provider=CanfarProvider(IMAGE), address="127.0.0.1", worker_logdir_root="/scratch"
    )
    assert "address_to_platform()" in failure(tmp_path, executor)


def test_blocks_follow_the_tasks(platform: Platform, tmp_path: Path) -> None:
    # By its name: workers have no module with these tests.
    run = python_app(subprocess.check_call)
    provider = CanfarProvider(
        IMAGE, mem_per_node=1, network="host", init_blocks=0, max_blocks=2, status_polling_interval=1
    )
    executor = HighThroughputExecutor(provider=provider, address="127.0.0.1", worker_logdir_root="/scratch")
    config = Config(
        executors=[executor],
        run_dir=str(tmp_path / "runinfo"),
        strategy="htex_auto_scale",
        strategy_period=0.5,
        max_idletime=0.5,
    )
    with parsl.load(config):
        assert [future.result() for future in [run(["sleep", "1"]) for _ in range(4)]] == [0, 0, 0, 0]
        # Both are scaled in while the program goes on.
        eventually(
            "both blocks to be cancelled",
            lambda: [job.state for job in blocks(platform, provider.run)] == ["cancelled", "cancelled"],
        )


def test_the_example_of_the_page(platform: Platform, tmp_path: Path) -> None:
    """From another machine, with workers on the network `isolated`."""
    with other_machine(platform.url) as machine:
        environment = {**os.environ, "CANFAR_URL": machine.platform}
        command = [*machine.enter, sys.executable, str(EXAMPLE), IMAGE, "3"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"303 stars, counted in [12] blocks\n", done.stdout)
    with platform.jobs() as jobs:
        networks = {job.network for job in jobs.list_all() if f"-a {machine.address} " in str(job.args)}
    # None is the platform's default, which conftest.py sets.
    assert networks == {None}
