"""The flows that the tests run in jobs."""

import os
import signal
import time
from pathlib import Path

from prefect import flow


@flow
def good(path: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"ran in {os.environ['PREFECT__FLOW_RUN_ID']}\n")


@flow
def fails() -> None:
    raise ValueError("no calibration frames")


@flow
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def waits(path: str) -> None:
    Path(path).write_text("begun")
    while not Path(f"{path}.go").exists():
        time.sleep(0.05)
