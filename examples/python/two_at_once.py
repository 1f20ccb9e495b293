"""The same with asyncio: two jobs at the same time, each with its output.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/python/two_at_once.py IMAGE
"""

import asyncio
import sys

from science_platform import AsyncJobs, JobRequest


async def main(image: str) -> None:
    """Runs both jobs; where this task is cancelled, they are cancelled too."""
    async with AsyncJobs() as jobs:
        requests = [JobRequest(name=name, image=image, cmd="echo", args=[name]) for name in ("bias", "flat")]
        ended = await asyncio.gather(*(jobs.run(request, on_log=print) for request in requests))
        print(*(job.state for job in ended))


asyncio.run(main(sys.argv[1]))
