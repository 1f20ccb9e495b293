"""Creates many replicas at once by the asynchronous client and checks each. `replicas.py COUNT CONNECTIONS`. Prints their ids as JSON."""

import asyncio
import json
import sys

from client import COMPLETED, IMAGE, AsyncSession, equal, make, until


async def main(count, connections):
    session = make(AsyncSession, concurrency=connections)
    ids = await session.create(
        name="many",
        image=IMAGE,
        cores=1,
        ram=1,
        cmd="sh",
        args="-c 'echo $REPLICA_ID of $REPLICA_COUNT on $(hostname)'",
        replicas=count,
    )
    equal("ids", len(set(ids)), count)
    records = await until(session, ids, [COMPLETED], seconds=300)
    logs = await session.logs(ids=ids)
    numbers = range(1, count + 1)
    equal("names", {record["name"] for record in records}, {f"many-{number}" for number in numbers})
    for record in records:
        number = record["name"].removeprefix("many-")
        equal(record["name"], logs[record["id"]], f"{number} of {count} on many-{number}\n")
    print(json.dumps(ids))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
