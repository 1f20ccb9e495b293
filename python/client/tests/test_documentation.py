"""docs/python.md: its examples are files, and they run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from science_platform_testing import IMAGE, Platform

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "python.md"
EXAMPLES = ROOT / "examples" / "python"
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the users' page is only in the platform's repository")


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as one:
        yield one


def run(platform: Platform, name: str, *arguments: str) -> str:
    environment = {**os.environ, "CANFAR_URL": platform.url, "CANFAR_TOKEN": platform.token}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_of_the_page_are_the_files() -> None:
    shown = dict(
        re.findall(r"<!-- examples/python/(\S+) -->\n\n```python\n(.*?)```\n", DOCUMENT.read_text(), re.DOTALL)
    )
    assert shown == {file.name: file.read_text() for file in EXAMPLES.glob("*.py")}


def test_a_job_from_submission_to_result(platform: Platform) -> None:
    output = run(platform, "submit.py", IMAGE, "echo", "hello")
    assert re.fullmatch(r"hello\n[a-z0-9]{8} succeeded, exit code 0, CPU [0-9.]+ s\n", output), output


def test_many_jobs_and_a_second_start(platform: Platform) -> None:
    for _ in range(2):
        *reports, count, labelled = run(platform, "many.py", IMAGE, "night-1", "a", "b").splitlines()
        assert sorted(reports) == ["night-1-a succeeded", "night-1-b succeeded"]
        assert (count, labelled) == ("2 of 2 succeeded", "2 jobs have the label")


def test_with_asyncio(platform: Platform) -> None:
    *lines, states = run(platform, "two_at_once.py", IMAGE).splitlines()
    assert (sorted(lines), states) == (["bias", "flat"], "succeeded succeeded")


def test_a_program_for_the_published_client(platform: Platform) -> None:
    output = run(platform, "sessions.py", IMAGE)
    assert re.fullmatch(r"([a-z0-9]{8} a point\n){2}2 destroyed\n", output), output
