"""What every published distribution of this folder has in common."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2]
PUBLISHED = sorted(
    manifest.parent
    for manifest in FOLDER.glob("*/pyproject.toml")
    if "Private :: Do Not Upload" not in manifest.read_text(encoding="utf-8")
)


def test_there_are_some() -> None:
    assert {"client", "prefect", "snakemake"} <= {one.name for one in PUBLISHED}


@pytest.mark.parametrize("distribution", PUBLISHED, ids=lambda one: one.name)
def test_the_wheel_is_typed_and_has_its_licence(distribution: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=distribution, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith("/METADATA")]
        scripts = [archive.read(name).decode() for name in names if name.endswith("/entry_points.txt")]
    assert any(re.fullmatch(r"[^/]+/py\.typed", name) for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    assert not any("console_scripts" in text for text in scripts)
    assert not any(name.startswith(("canfar/", "tests/")) for name in names)


@pytest.mark.parametrize("distribution", PUBLISHED, ids=lambda one: one.name)
def test_the_readme_says_who_made_it_and_there_is_a_changelog(distribution: Path) -> None:
    assert re.search(r"not made by canfar", (distribution / "README.md").read_text(encoding="utf-8"), re.IGNORECASE)
    assert "## 0.1.0" in (distribution / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("distribution", PUBLISHED, ids=lambda one: one.name)
def test_the_published_client_is_not_imported(distribution: Path) -> None:
    # Its licence is AGPL-3.0-or-later.
    imported = set()
    for file in (distribution / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(str(node.module).split(".")[0])
    assert not imported & {"canfar", "skaha", "canfar_lab"}
