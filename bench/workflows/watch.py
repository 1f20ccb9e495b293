"""Requests of an engine that watches 1,000 jobs: while none ends, and while ten end in a second. Prints JSON.

    watch.py FOLDER

The engine is Snakemake with the plugin; the platform is the stand-in of the plugin's tests, which counts requests.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python/snakemake/tests"))

from standin import StandIn  # noqa: E402

JOBS = 1_000
QUIET_SECONDS = 60.0
ENDS_PER_SECOND = 10
ENDING_SECONDS = 60.0


def main() -> None:
    """Measures and prints."""
    folder = Path(sys.argv[1])
    (folder / "logs").mkdir(parents=True)
    (folder / "Snakefile").write_text((Path(__file__).parent / "Snakefile").read_text())
    platform = StandIn(folder / "logs")
    platform.processes.hold_queue = True
    with (folder / "engine.log").open("w") as log:
        engine = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--executor", "canfar", "--jobs", str(JOBS)),
                *("--config", f"jobs={JOBS}", "--canfar-image", "localhost/x:1", "--canfar-shared-roots", str(folder)),
                *("--max-jobs-per-timespan", f"{JOBS}/1s", "--scheduler", "greedy"),
            ],
            cwd=folder,
            env={**os.environ, "CANFAR_URL": platform.url, "CANFAR_TOKEN": "secret-token"},
            stdout=log,
            stderr=log,
        )
    try:
        platform.processes.wait_for(lambda: len(platform.jobs) == JOBS or engine.poll() is not None, 600)
        # The jobs that were submitted last are in the waits of the lanes from now on.
        time.sleep(15)
        quiet = rate(platform, QUIET_SECONDS)
        threading.Thread(target=end_jobs, args=[platform], daemon=True).start()
        time.sleep(2)
        busy = rate(platform, ENDING_SECONDS)
    finally:
        engine.kill()
        platform.close()
    print(json.dumps({"jobs": JOBS, "quiet": quiet, "busy": busy, "endsPerSecond": ENDS_PER_SECOND}))


def rate(platform: StandIn, seconds: float) -> float:
    """Requests a second."""
    before, started = len(platform.requests), time.monotonic()
    time.sleep(seconds)
    return (len(platform.requests) - before) / (time.monotonic() - started)


def end_jobs(platform: StandIn) -> None:
    """Ends jobs one by one."""
    for number, job in enumerate(platform.jobs):
        if number == 0:
            started = time.monotonic()
        time.sleep(max(0.0, started + number / ENDS_PER_SECOND - time.monotonic()))
        platform.processes.end(job, "succeeded", "exited")


main()
