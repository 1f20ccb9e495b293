"""Reduces a night: an ordinary Prefect flow, in which each task runs a job. The image of a job needs no Prefect and no Python.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/prefect/night.py IMAGE FRAME…
"""

import asyncio
import sys

from prefect import flow, get_run_logger, task
from prefect.runtime import task_run
from science_platform import AsyncJobs, Job, JobRequest


@task(retries=2)
async def run_job(name: str, image: str, *command: str, memory_gb: int = 1) -> Job:
    """Runs a command as a job. Each retry is a job of its own, with more memory than the one before."""
    attempt = task_run.run_count
    request = JobRequest(
        name=name, image=image, cmd=command[0], args=[*command[1:]], cores=1, memory_gb=memory_gb * attempt
    )
    async with AsyncJobs() as jobs:
        # A task run that is repeated after a crash of this program finds its job by the key.
        return await jobs.run(request, key=f"{task_run.id}-{attempt}", on_log=get_run_logger().info)


@flow
async def night(image: str, frames: list[str]) -> str:
    """Calibrates all frames at the same time, then merges them."""
    calibrations = (run_job(f"calibrate-{frame}", image, "echo", "calibrating", frame) for frame in frames)
    calibrated = await asyncio.gather(*calibrations)
    merged = await run_job("merge", image, "echo", f"merging {len(calibrated)} frames")
    return merged.id


if __name__ == "__main__":
    asyncio.run(night(sys.argv[1], sys.argv[2:]))
