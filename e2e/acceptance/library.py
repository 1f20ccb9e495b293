"""Calls every method of a published client and checks what each gives. `library.py sync` or `library.py async`.

Prints the client and the methods it called, as JSON. A method that the client has and nobody called is a failure.
"""

import asyncio
import json
import logging
import re
import sys

import client
from client import COMPLETED, IMAGE, NAME, VERSION, Recorded, equal, make, result, until

UNKNOWN = "zzzzzzzz"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# A record of messages, since `verbose` writes to the logger and gives nothing back.
messages = []


class Memory(logging.Handler):
    def emit(self, record):
        messages.append(record.getMessage())


def listen():
    logger = logging.getLogger(client.LOGGER)
    logger.addHandler(Memory())
    logger.setLevel(logging.INFO)


def check_record(record, name, status):
    """Every field that the contract names, by its type on the wire."""
    equal("name", record["name"], name)
    equal("status", record["status"], status)
    equal("type", record["type"], "headless")
    equal("image", record["image"], IMAGE)
    equal("connectURL", record["connectURL"], "")
    for field in ("id", "userid", "runAsUID", "runAsGID", "requestedRAM", "requestedCPUCores", "requestedGPUCores"):
        assert isinstance(record[field], str) and record[field], f"{field} is {record.get(field)!r}"
    assert record["runAsUID"].isdigit() and record["runAsGID"].isdigit()
    assert all(isinstance(gid, int) for gid in record["supplementalGroups"])
    equal("requestedCPUCores", record["requestedCPUCores"], "1")
    equal("requestedRAM", record["requestedRAM"], "1.07")
    equal("isFixedResources", record["isFixedResources"], True)
    for field in ("startTime", "expiryTime"):
        assert TIME.fullmatch(record[field]), f"{field} is {record[field]!r}"


async def check_platform():
    resources = make(client.Context).resources()
    for part in ("cores", "memoryGB"):
        options = resources[part]["options"]
        assert options and all(isinstance(option, int) for option in options), f"{part}: {options}"
        assert resources[part]["default"] in options
    equal("maxInteractiveSessions", resources["maxInteractiveSessions"], 5)
    assert make(client.Overview).availability() is True
    images = Recorded(make(client.Images))
    assert IMAGE in images.fetch()
    assert IMAGE in images.fetch(kind="headless")
    equal("images for notebooks", images.fetch(kind="notebook"), [])
    if hasattr(client.Images, "details"):
        (found,) = [image for image in images.details() if image.id == IMAGE]
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", found.digest), found.digest
        assert "headless" in found.types
    equal("methods of Images that were not called", images.never_called(), [])


async def check_sessions(session):
    prefix = f"{NAME}-{VERSION.replace('.', '-')}-{'a' if 'async' in type(session._target).__name__.lower() else 's'}"
    ids = await result(
        session.create(
            name=prefix,
            image=IMAGE,
            cores=1,
            ram=1,
            cmd="sh",
            args="-c 'env; echo to-stderr >&2; until [ -e ~/let-go-of-$skaha_sessionid ]; do sleep 0.1; done'",
            env={"EQUALS": "a=b c", "SPACES": " two  spaces ", "EMPTY": "", "NUMBER": 7},
            replicas=2,
        )
    )
    equal("ids", [bool(re.fullmatch(r"[a-z][a-z0-9]{7}", one)) for one in ids], [True, True])
    records = await until(session, ids, ["Running"])
    by_id = {record["id"]: record for record in records}
    # The asynchronous client sends both at once; which comes back first decides on the order of the ids.
    by_name = {record["name"]: record["id"] for record in records}
    equal("names", sorted(by_name), [f"{prefix}-1", f"{prefix}-2"])
    for name, one in by_name.items():
        check_record(by_id[one], name, "Running")

    running = {record["id"] for record in await result(session.fetch(kind="headless", status="Running"))}
    assert set(ids) <= running, f"{ids} in {running}"
    assert set(ids) <= {record["id"] for record in await result(session.fetch())}
    equal("notebooks", await result(session.fetch(kind="notebook")), [])
    assert not set(ids) & {record["id"] for record in await result(session.fetch(status="Succeeded"))}

    if hasattr(session._target, "renew"):
        equal("renewed", await result(session.renew(ids=ids)), dict.fromkeys(ids, True))
    if hasattr(session._target, "connect"):
        # A headless session has no page: no browser is opened, and nothing fails.
        equal("connected", await result(session.connect(ids=ids)), None)

    stats = await result(session.stats())
    assert stats["cores"]["requestedCPUCores"] >= 2 and stats["cores"]["cpuCoresAvailable"] >= 2, stats
    assert re.fullmatch(r"[0-9.]+G", stats["ram"]["requestedRAM"]), stats

    release = " ".join(f"~/let-go-of-{one}" for one in ids)
    (releaser,) = await result(session.create(name=f"{prefix}-release", image=IMAGE, cores=1, ram=1, cmd=f"sh -c 'touch {release}'"))
    await until(session, [releaser], [COMPLETED])
    for record in await until(session, ids, [COMPLETED]):
        equal("exit code", record["exitCode"], 0)

    logs = await result(session.logs(ids=ids))
    for number in (1, 2):
        lines = logs[by_name[f"{prefix}-{number}"]].splitlines()
        for line in (
            "EQUALS=a=b c",
            "SPACES= two  spaces ",
            "EMPTY=",
            "NUMBER=7",
            f"REPLICA_ID={number}",
            "REPLICA_COUNT=2",
            "to-stderr",
        ):
            assert line in lines, f"{line!r} is not in {lines}"
    messages.clear()
    equal("verbose logs", await result(session.logs(ids=ids[0], verbose=True)), None)
    assert any(ids[0] in message for message in messages), messages

    for report, one in zip(await result(session.events(ids=ids)), ids, strict=True):
        heading, *rows = report[one].splitlines()
        equal("heading", heading.split(), ["TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"])
        cells = [re.split(r"\s{2,}", row) for row in rows]
        assert all(len(row) == 5 for row in cells), rows
        reasons = [row[1] for row in cells]
        equal("first and last reason", [reasons[0], reasons[-1]], ["Queued", "Completed"])
    messages.clear()
    equal("verbose events", await result(session.events(ids=ids[0], verbose=True)), None)
    assert any("Queued" in message for message in messages), messages

    (other,) = await result(session.create(name=f"{prefix}-x", image=IMAGE, cores=1, ram=1, cmd="sleep 600"))
    await until(session, [other], ["Running"])
    equal("destroyed", await result(session.destroy(ids=[other])), {other: True})
    if NAME == "skaha":
        # /v0 shows it as Terminated until it is deleted once more.
        await until(session, [other], ["Terminated"])
        equal("destroyed again", await result(session.destroy(ids=other)), {other: True})
    while records := await result(session.info(ids=other)):
        equal("status of what was destroyed", records[0]["status"], "Terminating")
        await asyncio.sleep(0.1)
    destroyed = await result(session.destroy_with(prefix=prefix))
    assert set(ids) < set(destroyed) and all(destroyed.values()), destroyed
    left = [record["name"] for record in await result(session.fetch())]
    equal("what is left", [name for name in left if name.startswith(prefix)], [])


async def check_failures(session):
    """What fails gives what the client promises of a failure, and no exception."""
    equal("info", await result(session.info(ids=[UNKNOWN])), [])
    equal("logs", await result(session.logs(ids=[UNKNOWN])), {})
    equal("events", await result(session.events(ids=[UNKNOWN])), [])
    equal("refused", await result(session.create(name="no", image="images.example.org/a/b:1", cmd="true")), [])
    if hasattr(session._target, "renew"):
        equal("renewed", await result(session.renew(ids=[UNKNOWN])), {UNKNOWN: False})


async def check_raised(kind):
    """`errors="raise"` carries the words of the server."""
    from canfar.exceptions.session import SessionRequestError

    session = make(kind, errors="raise")

    async def words(call):
        try:
            await result(call())
        except SessionRequestError as error:
            ((key, failure),) = error.errors.items()
            return key, failure.response.status_code, failure.response.text
        raise AssertionError("nothing was raised")

    equal("info", await words(lambda: session.info(ids=UNKNOWN)), (UNKNOWN, 404, f"session {UNKNOWN} not found\n"))
    equal("events", await words(lambda: session.events(ids=UNKNOWN)), (UNKNOWN, 404, f"session {UNKNOWN} not found.\n"))
    equal("logs", (await words(lambda: session.logs(ids=UNKNOWN)))[:2], (UNKNOWN, 404))
    key, status, text = await words(lambda: session.renew(ids=UNKNOWN))
    equal("renew", (key, status), (UNKNOWN, 400))
    assert re.match(rf"No active job for user \S+ with session {UNKNOWN}", text), text
    wrong = {"name": "n", "image": "images.example.org/a/b:1", "cmd": "true"}
    key, status, text = await words(lambda: session.create(**wrong))
    equal("create", (key, status), (1, 400))
    assert "session image 'images.example.org/a/b:1' must come from one of [" in text, text
    key, status, text = await words(lambda: session.create(name="under_score", image=IMAGE, cmd="true"))
    assert text.startswith("name can only contain alpha-numeric chars and '-'"), text
    key, status, text = await words(lambda: session.create(name="n", image=IMAGE, cores=255, cmd="true"))
    assert text.startswith("Invalid value for 'cores': 255"), text
    equal("destroy", await result(session.destroy(ids=UNKNOWN)), {UNKNOWN: True})


async def main(manner):
    kind = {"sync": client.Session, "async": client.AsyncSession}[manner]
    listen()
    await check_platform()
    session = Recorded(make(kind))
    await check_sessions(session)
    await check_failures(session)
    if "errors" in kind.model_fields:
        await check_raised(kind)
    equal("methods that were not called", session.never_called(), [])
    print(json.dumps({"client": NAME, "version": VERSION, "called": sorted(session.called - {"_target"})}))


asyncio.run(main(sys.argv[1]))
