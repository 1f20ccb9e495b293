"""Reduces each night with the Snakemake workflow of examples/night: a flow on a schedule, whose tasks run jobs.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/prefect/nightly.py IMAGE FOLDER [--once]

FOLDER, below /arc, has examples/night as `source/night`, the frame as `source/ccd.fits` and the plug-in for Snakemake as
`source/plugins`. A night's files are in FOLDER/DATE. Without --once the flow is served, and runs at nine each morning.
"""

import asyncio
import sys
from datetime import UTC, datetime

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run, task_run
from science_platform import AsyncJobs, Job, JobRequest


@task(retries=2, retry_delay_seconds=10)
async def run_job(step: str, image: str, line: str, folder: str) -> Job:
    """Runs a shell line in the folder as a job, with a token for the jobs that it submits itself."""
    request = JobRequest(
        name=f"night-{step}",
        image=image,
        cmd="sh",
        args=["-c", f'mkdir -p "$1" && cd "$1" && {line}', "sh", folder],
        cores=1,
        memory_gb=2,
        job_token=True,
        env={"PYTHONPATH": f"{folder}/../source/plugins"},
    )
    async with AsyncJobs() as jobs:
        # A task run that is repeated after a crash of this program finds its job by the key.
        return await jobs.run(request, key=f"{task_run.id}-{task_run.run_count}", on_log=get_run_logger().info)


@flow
async def nightly(image: str, folder: str) -> str:
    """Makes the night's catalogue. A second run for the same night finds nothing to do."""
    start = flow_run.scheduled_start_time or datetime.now(UTC)
    night = f"{folder}/{start:%Y-%m-%d}"
    # An observatory copies the night's raw frames here.
    await run_job("frames", image, "cp -r ../source/night/. . && python3 make-night ../source/ccd.fits .", night)
    await run_job("reduce", image, f"snakemake --profile profile --canfar-image {image}", night)
    await run_job("check", image, "./check-catalogue .", night)
    return night


if __name__ == "__main__":
    image, folder, *once = sys.argv[1:]
    if once:
        print(asyncio.run(nightly(image, folder)))
    else:
        nightly.serve(name="nightly", cron="0 9 * * *", parameters={"image": image, "folder": folder})
