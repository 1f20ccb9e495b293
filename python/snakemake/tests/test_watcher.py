"""How the ends of many jobs are noticed, and what it costs."""

import threading
import time
from collections.abc import Sequence

from snakemake_executor_plugin_canfar.backend import Ending
from snakemake_executor_plugin_canfar.watcher import LANE_SIZE, Watcher


class Server:
    """Waits like `POST /jobs/wait`, and counts."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ended: set[str] = set()
        self.requests: list[int] = []
        self.stop = threading.Event()

    def end(self, *ids: str) -> None:
        with self.changed:
            self.ended.update(ids)
            self.changed.notify_all()

    def wait_any(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        with self.changed:
            self.requests.append(len(ids))
            self.changed.wait_for(lambda: self.ended & set(ids) or self.stop.is_set(), seconds)
            return [Ending(one, "succeeded") for one in ids if one in self.ended]


class Watching:
    """A watcher of a server, with what it has reported."""

    def __init__(self, server: Server) -> None:
        self.reported: list[str] = []
        self.watcher = Watcher(server.wait_any, self._ended, fresh_lane=True, stop=server.stop)
        self.changed = threading.Condition()
        self.server = server

    def _ended(self, ending: Ending) -> None:
        with self.changed:
            self.reported.append(ending.id)
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.reported) >= count, 60), self.reported

    def close(self) -> None:
        self.server.stop.set()
        self.server.end()
        self.watcher.wake()


def test_each_end_is_reported_once_in_lanes_of_a_thousand() -> None:
    server = Server()
    watching = Watching(server)
    ids = [f"j{number}" for number in range(LANE_SIZE + 500)]
    for one in ids:
        watching.watcher.add(one)
    server.end(*ids[::2])
    watching.wait_for(len(ids) // 2)
    server.end(*ids)
    watching.wait_for(len(ids))
    watching.close()
    assert sorted(watching.reported) == sorted(ids)
    assert max(server.requests) <= LANE_SIZE


def test_a_job_that_is_submitted_during_a_wait_is_not_missed_until_its_end() -> None:
    """The wait for the first job lasts ten seconds; the second job is noticed without it."""
    server = Server()
    watching = Watching(server)
    watching.watcher.add("first")
    with server.changed:
        server.changed.wait_for(lambda: server.requests, 10)
    started = time.monotonic()
    watching.watcher.add("second")
    server.end("second")
    watching.wait_for(1)
    took = time.monotonic() - started
    watching.close()
    assert watching.reported == ["second"]
    # Not after the ten seconds of the first wait, even on a slow machine.
    assert took < 9


def test_ends_in_quick_succession_share_requests() -> None:
    server = Server()
    watching = Watching(server)
    ids = [f"j{number}" for number in range(30)]
    for one in ids:
        watching.watcher.add(one)
    with server.changed:
        server.changed.wait_for(lambda: any(count == 30 for count in server.requests), 20)
        before = len(server.requests)
    started = time.monotonic()
    for one in ids:
        server.end(one)
        time.sleep(0.05)
    watching.wait_for(len(ids))
    took = time.monotonic() - started
    watching.close()
    # At most one request in 0.35 s, plus the one that was open.
    assert len(server.requests) - before <= took / 0.35 + 2
