"""Seconds for COUNT sessions, as JSON: by `create(..., replicas=COUNT)` of the published client, and by bare
requests of the HTTP library that it is built on, over as many connections: one (`Session`) and 32 (`AsyncSession`). Each with
the seconds of processor time that Python itself took for it.

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


def told(began, ids):
    """The seconds since, once every session was made, and those of this process on the processor."""
    assert len(set(ids)) == count, f"{len(set(ids))} of {count} were made"
    return time.perf_counter() - began[0], time.process_time() - began[1]


# Connections are made before the clock starts, by asking for something else.


def session():
    client = Session()
    client.fetch(status="Running")
    began = begin()
    return told(began, client.create(**request))


def bare():
    with httpx2.Client(headers=headers, timeout=60) as client:
        client.get(url, params={"status": "Running"})
        began = begin()
        return told(began, [client.post(url, params=form).text for form in create_parameters(**request)])


async def async_session():
    client = AsyncSession(concurrency=connections)
    await asyncio.gather(*(client.fetch(status="Running") for _ in range(connections)))
    began = begin()
    return told(began, await client.create(**request))


async def async_bare():
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx2.AsyncClient(headers=headers, limits=limits, timeout=60) as client:
        await asyncio.gather(*(client.get(url, params={"status": "Running"}) for _ in range(connections)))
        began = begin()
        answers = await asyncio.gather(*(client.post(url, params=form) for form in create_parameters(**request)))
        return told(began, [answer.text for answer in answers])


figures = {
    "session": session(),
    "bare": bare(),
    "asyncSession": asyncio.run(async_session()),
    "asyncBare": asyncio.run(async_bare()),
}
print(json.dumps(figures))
