"""docs/parsl.md says what is there."""

import inspect
import re
from pathlib import Path

import pytest
from parsl_canfar import CanfarProvider

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "parsl.md"
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the users' page is only in the platform's repository")


def test_the_example_of_the_page_is_the_file() -> None:
    shown = re.findall(r"<!-- examples/parsl/stars.py -->\n\n```python\n(.*?)```\n", DOCUMENT.read_text(), re.DOTALL)
    assert shown == [(ROOT / "examples" / "parsl" / "stars.py").read_text()]


def test_each_option_has_a_line() -> None:
    table = DOCUMENT.read_text().split("## Options of")[1].split("## ")[0]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])
    }
    assert named == {*inspect.signature(CanfarProvider).parameters}
