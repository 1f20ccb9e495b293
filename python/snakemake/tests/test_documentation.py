"""The pages name what is there."""

import re
from dataclasses import fields
from pathlib import Path

from snakemake_executor_plugin_canfar import ExecutorSettings, request

HERE = Path(__file__).parent
FURTHER = HERE.parent / "docs" / "further.md"
WORKFLOWS = HERE.parents[2] / "docs" / "workflows.md"


def test_each_setting_has_a_line() -> None:
    table = FURTHER.read_text().split("## Settings")[1].split("## ")[0]
    named = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`--canfar-([a-z-]+)`", line.split("|")[1:2][0] if "|" in line else "")
    }
    assert named == {field.name.replace("_", "-") for field in fields(ExecutorSettings)}


def test_each_resource_has_a_line() -> None:
    table = FURTHER.read_text().split("## Resources")[1].split("## ")[0]
    assert set(re.findall(r"`(canfar_[a-z]+)`", table)) == {*request.OPTIONS, "canfar_image"}


def test_each_answer_to_a_complaint_names_tests_that_exist() -> None:
    tests = set(
        re.findall(r"^def (test_\w+)", "".join(path.read_text() for path in HERE.glob("test_*.py")), re.MULTILINE)
    )
    rows = [line for line in WORKFLOWS.read_text().splitlines() if line.startswith("| ") and "`test_" in line]
    assert [row.split("|")[1].strip() for row in rows][:10] == [str(number) for number in range(1, 11)]
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row.split("|")[-2]))
        assert named
        assert named <= tests, row
