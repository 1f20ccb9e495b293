"""Calls that can be left while a request is open."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .errors import WaitStopped

T = TypeVar("T")

#: Seconds between looks at an event of the caller.
_GLANCE = 0.05


class Leave:
    """Whether the caller has left; also where that is known of an event or of the call around this one."""

    def __init__(self, around: Leave | threading.Event | None = None) -> None:
        """Takes what else ends the call."""
        self._around = around
        self._event = threading.Event()

    def set(self) -> None:
        """Leaves."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the caller has left."""
        return self._event.is_set() or (self._around is not None and self._around.is_set())

    def check(self) -> None:
        """Raises WaitStopped if the caller has left."""
        if self.is_set():
            raise WaitStopped

    def pause(self, seconds: float) -> None:
        """Waits. Raises WaitStopped as soon as the caller has left."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            self._event.wait(rest if self._around is None else min(rest, _GLANCE))
            self.check()


def interruptible(work: Callable[[Leave], T], stop: threading.Event, abandon: Callable[[T | None], None]) -> T:
    """Does the work in a thread, and raises WaitStopped as soon as `stop` is set.

    The thread ends with its open request and does not keep the program alive. `abandon` is called in it with the outcome that came
    too late, None after an error.
    """
    leave = Leave()
    lock = threading.Lock()
    finished = threading.Event()
    outcomes: list[tuple[T | None, BaseException | None]] = []

    def run() -> None:
        try:
            outcome: tuple[T | None, BaseException | None] = (work(leave), None)
        except BaseException as error:
            outcome = (None, error)
        with lock:
            outcomes.append(outcome)
            finished.set()
            if not leave.is_set():
                return
        abandon(outcome[0])

    threading.Thread(target=run, name="science-platform", daemon=True).start()
    try:
        while not finished.wait(_GLANCE):
            if stop.is_set():
                raise WaitStopped
    except BaseException:
        with lock:
            leave.set()
            late = bool(outcomes)
        if late:
            abandon(outcomes[0][0])
        raise
    result, error = outcomes[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def together(calls: Sequence[Callable[[], Any]], limit: int, leave: Leave) -> list[Any]:
    """The outcomes of calls in threads, at most `limit` at once. After the first error the others are left."""
    if len(calls) == 1:
        return [calls[0]()]
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for position in range(len(calls)):
        waiting.put(position)
    done: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while not leave.is_set():
            try:
                position = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((position, calls[position](), None))
            except BaseException as error:
                done.put((position, None, error))

    for _ in range(min(limit, len(calls))):
        threading.Thread(target=work, name="science-platform", daemon=True).start()
    outcomes: dict[int, Any] = {}
    try:
        while len(outcomes) < len(calls):
            try:
                position, outcome, error = done.get(timeout=_GLANCE)
            except queue.Empty:
                leave.check()
                continue
            if error is not None:
                raise error
            outcomes[position] = outcome
    finally:
        leave.set()
    return [outcomes[position] for position in range(len(calls))]
