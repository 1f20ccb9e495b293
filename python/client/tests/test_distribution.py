from importlib.metadata import distribution
from pathlib import Path

import science_platform


def test_the_distribution_is_typed_and_installs_no_program() -> None:
    ours = distribution("science-platform-client")
    assert [entry for entry in ours.entry_points if entry.group == "console_scripts"] == []
    assert (Path(science_platform.__file__).parent / "py.typed").is_file()
