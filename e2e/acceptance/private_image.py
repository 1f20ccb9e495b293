"""Runs a private image. `private_image.py IMAGE [USERNAME SECRET]`; prints the state and the cause of the session, as JSON.

With a user name they are given to the client as its own arguments; else it is left to its environment and configuration.
"""

import asyncio
import json
import sys

from client import COMPLETED, NAME, Session, make, until


async def main(image, username=None, secret=None):
    arguments = {}
    if NAME == "skaha" and username:
        from skaha.models import ContainerRegistry

        arguments["registry"] = ContainerRegistry(username=username, secret=secret)
    session = make(Session, **arguments)
    ids = session.create(name="private", image=image, cmd="echo ran")
    (record,) = await until(session, ids, [COMPLETED, "Failed"])
    print(json.dumps({"status": record["status"], "cause": record.get("cause"), "log": session.logs(ids=ids)[ids[0]]}))


asyncio.run(main(*sys.argv[1:]))
