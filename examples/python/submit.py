"""Submits a job, prints its output while it runs, and prints its usage. It fails with the cause that the platform found.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/python/submit.py localhost/astro/source-extractor:1 nproc
"""

import sys

from science_platform import JobFailed, JobRequest, Jobs

image, cmd, *args = sys.argv[1:] or ["images.canfar.net/skaha/astroml:latest", "nproc"]

with Jobs() as jobs:
    request = JobRequest(name="first-job", image=image, cmd=cmd, args=args, cores=1, memory_gb=1)
    try:
        job = jobs.run(request, on_log=print)
    except JobFailed as error:
        sys.exit(str(error))
    print(f"{job.id} {job.state}, exit code {job.exit_code}, CPU {job.usage and job.usage.cpu_seconds} s")
