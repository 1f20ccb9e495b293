"""Threads for requests. They are daemons: an engine that ends does not wait for an answer."""

import queue
import threading
from collections.abc import Callable


class Workers:
    """Runs tasks on at most `count` threads, in the order of their arrival. Threads start when they are needed."""

    def __init__(self, count: int, on_error: Callable[[BaseException], None]) -> None:
        """`on_error` gets what a task raises."""
        self._count = count
        self._on_error = on_error
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._threads = 0
        self._open = 0
        self._closed = False

    def do(self, task: Callable[[], None]) -> None:
        """Runs a task soon. After `drop_waiting` it does nothing."""
        with self._lock:
            if self._closed:
                return
            self._open += 1
            start = self._threads < min(self._count, self._open)
            self._threads += start
        self._tasks.put(task)
        if start:
            threading.Thread(target=self._run, name="canfar-worker", daemon=True).start()

    def drop_waiting(self) -> None:
        """Forgets tasks that have not started, and takes no more."""
        with self._lock:
            self._closed = True
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                return
            self._done()

    def settle(self, seconds: float) -> bool:
        """Waits until no task is left. Returns whether that was so in time."""
        with self._lock:
            return self._lock.wait_for(lambda: self._open == 0, seconds)

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except BaseException as error:
                self._on_error(error)
            finally:
                self._done()

    def _done(self) -> None:
        with self._lock:
            self._open -= 1
            self._lock.notify_all()
