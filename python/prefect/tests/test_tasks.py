"""docs/prefect.md: a task that runs a job, on the real platform and the real Prefect server."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import get_current_settings
from science_platform import JobFailed
from science_platform_testing import IMAGE, Platform, eventually

from prefect import flow

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "prefect" / "night.py"
DOCUMENT = ROOT / "docs" / "prefect.md"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the example is only in the platform's repository")


@pytest.fixture(scope="module")
def real() -> Iterator[Platform]:
    with Platform() as one:
        yield one


@pytest.fixture(autouse=True)
def login(real: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANFAR_URL", real.url)
    monkeypatch.setenv("CANFAR_TOKEN", real.token)


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("night", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_of_the_page_is_the_file() -> None:
    (shown,) = re.findall(
        r"<!-- examples/prefect/night.py -->\n\n```python\n(.*?)```\n", DOCUMENT.read_text(), re.DOTALL
    )
    assert shown == EXAMPLE.read_text()


def test_each_task_is_a_job_and_its_output_is_the_log_of_the_task(
    real: Platform, example: Any, caplog: pytest.LogCaptureFixture
) -> None:
    merged = asyncio.run(example.night(IMAGE, ["a", "b", "c"]))
    jobs = real.jobs()
    assert sorted(job.name for job in jobs.list_all(name="calibrate")) == ["calibrate-a", "calibrate-b", "calibrate-c"]
    assert jobs.get(merged).name == "merge"
    lines = [record.message for record in caplog.records if record.name == "prefect.task_runs"]
    assert {"calibrating a", "calibrating b", "calibrating c", "merging 3 frames"} <= set(lines)


def test_a_retry_is_a_job_with_more_memory(real: Platform, example: Any) -> None:
    @flow
    async def flaky() -> None:
        line = "mkdir $HOME/first && exit 9; echo second"
        await example.run_job("flaky", IMAGE, "sh", "-c", line)

    asyncio.run(flaky())
    jobs = [*real.jobs().list_all(name="flaky", sort="submitted")]
    assert [(job.exit_code, job.resources.memory_gb.limit) for job in jobs] == [(9, 1), (0, 2)]


def test_the_cause_is_the_error_of_the_task(example: Any) -> None:
    @flow
    async def broken() -> None:
        await example.run_job.with_options(retries=0)("broken", IMAGE, "no-such-program")

    with pytest.raises(JobFailed, match="no-such-program"):
        asyncio.run(broken())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_flow_that_is_ended_cancels_its_jobs(real: Platform, tmp_path: Path, how: signal.Signals) -> None:
    name = f"ended-{how.name.lower()}"
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(EXAMPLE.parent)!r})\n"
        "from night import run_job\n"
        "from prefect import flow\n"
        "@flow\n"
        "async def long():\n"
        f"    await run_job({name!r}, {IMAGE!r}, 'sleep', '600')\n"
        "asyncio.run(long())\n"
    )
    environment = {**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
    with subprocess.Popen([sys.executable, program], env=environment, stderr=subprocess.DEVNULL) as child:
        jobs = real.jobs()
        eventually("the job to run", lambda: [job for job in jobs.list_all(name=name) if job.state == "running"])
        child.send_signal(how)
        child.wait(timeout=120)
    (job,) = jobs.list_all(name=name)
    assert jobs.wait(job.id)[0].state == "cancelled"
