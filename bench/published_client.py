"""Prints seconds for COUNT sessions as JSON: with `create(..., replicas=COUNT)` of the published client, and with bare
requests of its HTTP library over as many connections: one (`Session`) and 32 (`AsyncSession`). Each with the seconds of
processor time of this process.

    published_client.py IMAGE COUNT      server and token come from CANFAR_URL and CANFAR_TOKEN
"""

import asyncio
import json
import os
import sys
import time

import httpx2
from canfar.sessions import AsyncSession, Session
from canfar.utils.build import create_parameters

image, count = sys.argv[1], int(sys.argv[2])
request = {"name": "waiting", "image": image, "cores": 1, "ram": 1, "cmd": "true", "replicas": count}
url = f"{os.environ['CANFAR_URL']}/session"
headers = {"Authorization": f"Bearer {os.environ['CANFAR_TOKEN']}"}
connections = 32


def begin():
    return time.perf_counter(), time.process_time()


def elapsed(began, ids):
    """Elapsed seconds and processor seconds since `began`. Checks that every session was created."""
    assert len(set(ids)) == count, f"{len(set(ids))} of {count} were created"
    return time.perf_counter() - began[0], time.process_time() - began[1]


# Each measurement first opens its connections with another request.


def session():
    client = Session()
    client.fetch(status="Running")
    began = begin()
    return elapsed(began, client.create(**request))


def bare():
    with httpx2.Client(headers=headers, timeout=60) as client:
        client.get(url, params={"status": "Running"})
        began = begin()
        return elapsed(began, [client.post(url, params=form).text for form in create_parameters(**request)])


async def async_session():
    client = AsyncSession(concurrency=connections)
    await asyncio.gather(*(client.fetch(status="Running") for _ in range(connections)))
    began = begin()
    return elapsed(began, await client.create(**request))


async def async_bare():
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx2.AsyncClient(headers=headers, limits=limits, timeout=60) as client:
        await asyncio.gather(*(client.get(url, params={"status": "Running"}) for _ in range(connections)))
        began = begin()
        answers = await asyncio.gather(*(client.post(url, params=form) for form in create_parameters(**request)))
        return elapsed(began, [answer.text for answer in answers])


figures = {
    "session": session(),
    "bare": bare(),
    "asyncSession": asyncio.run(async_session()),
    "asyncBare": asyncio.run(async_bare()),
}
print(json.dumps(figures))
