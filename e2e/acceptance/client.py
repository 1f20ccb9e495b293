"""The published client under test, whichever it is, behind one door; and what the scripts beside this file share.

Server and token come from CANFAR_URL (with its version) and CANFAR_TOKEN, the image of busybox from ACCEPTANCE_IMAGE, so
that the scripts run against any server.
"""

import asyncio
import inspect
import os
import time

try:
    import canfar
    from canfar.context import Context
    from canfar.images import Images
    from canfar.overview import Overview
    from canfar.sessions import AsyncSession, Session

    NAME, VERSION = "canfar", canfar.__version__
    LOGGER = "canfar.sessions"
    ARGUMENTS = {}
except ImportError:
    import skaha
    from skaha.context import Context
    from skaha.images import Images
    from skaha.overview import Overview
    from skaha.session import AsyncSession, Session

    NAME, VERSION = "skaha", skaha.__version__
    LOGGER = "skaha.session"
    # It reads no environment, and asks for /v0.
    ARGUMENTS = {
        "server": os.environ["CANFAR_URL"].rsplit("/v", 1)[0],
        "token": os.environ["CANFAR_TOKEN"],
    }

IMAGE = os.environ["ACCEPTANCE_IMAGE"]

# The old client speaks /v0, whose words are those that the batch guide waits for.
COMPLETED = "Succeeded" if NAME == "skaha" else "Completed"


class Recorded:
    """An object that notes which of its methods were called."""

    def __init__(self, target):
        self._target = target
        self.called = set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self._target, name)

    def never_called(self):
        """The public methods that its own class defines and nobody called."""
        own = {
            name
            for name, member in vars(type(self._target)).items()
            if inspect.isfunction(member) and not name.startswith("_") and member.__module__ == type(self._target).__module__
        }
        return sorted(own - self.called)


def make(kind, **arguments):
    """A client as a script of a user makes it."""
    return kind(**ARGUMENTS, **arguments)


async def result(value):
    """What a method gives, of the synchronous client or the asynchronous one."""
    return await value if inspect.isawaitable(value) else value


async def until(session, ids, words, seconds=120):
    """The records of the sessions once each has one of these states."""
    end = time.monotonic() + seconds
    while True:
        records = await result(session.info(ids=ids))
        if len(records) == len(ids) and all(record["status"] in words for record in records):
            return records
        seen = [(record["id"], record["status"], record.get("reason"), record.get("cause")) for record in records]
        assert time.monotonic() < end, f"waited {seconds} s for {words}, saw {seen}"
        await asyncio.sleep(0.1)


def equal(what, actual, wanted):
    """Fails with both values where they differ."""
    assert actual == wanted, f"{what}: {actual!r} in place of {wanted!r}"
