"""Submits a job for each frame, and reports each as soon as it has ended. A second start submits none twice.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/python/many.py IMAGE NIGHT FRAME…
"""

import sys

from science_platform import Job, JobRequest, Jobs

image, night, *frames = sys.argv[1:]


def report(job: Job) -> None:
    """Called in the moment in which a job is known to have ended."""
    why = f": {job.cause.message} {job.cause.hint or ''}" if job.state != "succeeded" and job.cause else ""
    print(f"{job.name} {job.state}{why}")


with Jobs() as jobs:
    ids: list[str] = []
    for frame in frames:
        request = JobRequest(
            name=f"{night}-{frame}", image=image, cmd="echo", args=["reducing", frame], labels={"night": night}
        )
        # The same key is the same job, for 24 hours.
        ids += jobs.submit(request, key=f"{night}/{frame}").ids
    ended = jobs.wait(ids, on_ended=report)
    print(f"{sum(job.state == 'succeeded' for job in ended)} of {len(ended)} succeeded")
    print(f"{len([*jobs.list_all(label=f'night={night}')])} jobs have the label")
