"""What runs beside the engine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def interchange_that_ends_with_the_engine() -> list[str]:
    """For `interchange_launch_cmd=` of an executor: an interchange that the kernel ends when the engine dies.

    Parsl's own outlives an engine that was killed, and its workers then wait for tasks up to their time limit. With this one they
    miss its heartbeat, and end after the executor's `heartbeat_threshold` (120 s). Needs `setpriv` (util-linux); without it, as on
    macOS, this is Parsl's own.
    """
    program = str(Path(sys.executable).with_name("interchange.py"))
    if not Path(program).exists():
        program = "interchange.py"
    found = shutil.which("setpriv")
    return [program] if found is None else [found, "--pdeathsig", "TERM", program]
