"""Notices the ends of jobs with few requests and without delay.

A lane has one request at a time, for up to 1,000 jobs. Jobs that were submitted while it is under way are in its next
request. Until then, the fresh lane waits for them with short requests. So an engine that watches 1,000 jobs sends one
request in ten seconds while none ends, and at most three a second while they do.
"""

import threading
import time
from collections.abc import Callable, Sequence

from .backend import Ending

LANE_SIZE = 1_000
WAIT_SECONDS = 10.0
FRESH_SECONDS = 0.5
SHORTEST_CYCLE = 0.35
"""Seconds from one request of a lane to the next while jobs end: 2.9 requests a second."""


class Watcher:
    """Watches jobs on threads of its own, and calls `on_ended` once for each."""

    def __init__(
        self,
        wait_any: Callable[[Sequence[str], float], list[Ending]],
        on_ended: Callable[[Ending], None],
        *,
        fresh_lane: bool,
        stop: threading.Event,
    ) -> None:
        """`wait_any` must not raise, and returns early when `stop` is set."""
        self._wait_any = wait_any
        self._on_ended = on_ended
        self._stop = stop
        self._changed = threading.Condition()
        self._lanes: list[set[str]] = []
        self._fresh: dict[str, float] = {}
        self._fresh_lane = fresh_lane
        self._fresh_started = False

    def add(self, identifier: str) -> None:
        """Watches one more job."""
        with self._changed:
            lane = next((one for one in self._lanes if len(one) < LANE_SIZE), None)
            if lane is None:
                lane = set()
                self._lanes.append(lane)
                self._start(self._run_lane, lane)
            lane.add(identifier)
            if self._fresh_lane:
                self._fresh[identifier] = time.monotonic()
                if not self._fresh_started:
                    self._fresh_started = True
                    self._start(self._run_fresh)
            self._changed.notify_all()

    def wake(self) -> None:
        """Lets the threads notice that `stop` is set."""
        with self._changed:
            self._changed.notify_all()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        threading.Thread(target=target, args=args, name="canfar-watcher", daemon=True).start()

    def _run_lane(self, lane: set[str]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: lane or self._stop.is_set())
                if self._stop.is_set():
                    return
                ids = sorted(lane)
                for identifier in ids:
                    self._fresh.pop(identifier, None)
            started = time.monotonic()
            ended = self._wait_any(ids, WAIT_SECONDS)
            self._report(ended)
            if self._stop.wait(max(0.0, started + SHORTEST_CYCLE - time.monotonic())):
                return

    def _run_fresh(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._fresh or self._stop.is_set())
            # The lanes may take them on meanwhile.
            if self._stop.wait(SHORTEST_CYCLE):
                return
            with self._changed:
                ids = sorted(self._fresh)[:LANE_SIZE]
            if ids:
                self._report(self._wait_any(ids, FRESH_SECONDS))

    def _report(self, ended: Sequence[Ending]) -> None:
        for ending in ended:
            with self._changed:
                known = [lane for lane in self._lanes if ending.id in lane]
                for lane in known:
                    lane.discard(ending.id)
                self._fresh.pop(ending.id, None)
            # Two lanes may hear of one end; the first reports it.
            if known:
                self._on_ended(ending)
