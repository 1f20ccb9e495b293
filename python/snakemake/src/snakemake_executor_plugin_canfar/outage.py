"""Repeating requests while the platform is away or the token has ended, told once."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .backend import TokenRefused, Unavailable

_T = TypeVar("_T")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
TOKEN_PAUSE = 10.0
TOKEN_SECONDS = 600.0
"""How long a new login is waited for after the token has ended."""


class Stopped(Exception):
    """The engine ends; what was under way is left to the next start."""


def pause_after(failures: int, asked: float | None = None) -> float:
    """Seconds before the next try: 1, 2, 4 … 30, or what the platform asked for, up to a minute."""
    own = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** min(failures - 1, 10)))
    return max(own, min(asked or 0.0, 60.0))


class Outage:
    """Carries requests through absences of the platform.

    All threads of an engine share it, so that each absence is logged once.
    """

    def __init__(
        self,
        platform: str,
        *,
        renewable_token: bool,
        info: Callable[[str], None],
        warn: Callable[[str], None],
        stop: threading.Event,
        give_up: Callable[[str], None],
    ) -> None:
        """`platform` is its address. `renewable_token`: a new login reaches this process.

        `give_up` ends the engine with a message and leaves the jobs alone, since the token has ended for good.
        """
        self._platform = platform
        self._renewable_token = renewable_token
        self._info = info
        self._warn = warn
        self._stop = stop
        self._give_up = give_up
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._token_since: float | None = None

    def persist(self, request: Callable[[], _T], seconds: float | None = None) -> _T:
        """Repeats a request until it is answered.

        Raises Stopped when the engine ends, and Unavailable after `seconds`, if given.
        """
        failures = 0
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                answer = request()
            except Unavailable as error:
                failures += 1
                self._away(error)
                pause = pause_after(failures, error.retry_after)
                if deadline is not None and time.monotonic() + pause > deadline:
                    raise
            except TokenRefused as error:
                self._without_token(error)
                pause = TOKEN_PAUSE
            else:
                self._answered()
                return answer
            if self._stop.wait(pause):
                raise Stopped

    def _away(self, error: Unavailable) -> None:
        with self._lock:
            if self._away_since is not None:
                return
            self._away_since = time.monotonic()
        self._warn(
            f"{self._platform} does not serve requests now: {error}. Trying again until it does; jobs that run there "
            "go on."
        )

    def _answered(self) -> None:
        with self._lock:
            since, self._away_since = self._away_since, None
            token, self._token_since = self._token_since, None
        if since is not None:
            self._info(f"{self._platform} answers again after {time.monotonic() - since:.0f} s.")
        if token is not None:
            self._info(f"{self._platform} accepts the new token.")

    def _without_token(self, error: TokenRefused) -> None:
        now = time.monotonic()
        with self._lock:
            first = self._token_since is None
            if self._token_since is None:
                self._token_since = now
            waited = now - self._token_since
        if not self._renewable_token or waited > TOKEN_SECONDS:
            self._give_up(
                f"{self._platform} refuses the token: {error} The jobs that were submitted go on. Get a new token "
                "(`canfar auth login`, or CANFAR_TOKEN) and start Snakemake again with --rerun-incomplete: it takes "
                "over the jobs that run and those that have ended."
            )
            raise Stopped from error
        if first:
            self._warn(
                f"{self._platform} refuses the token: {error} Log in again (`canfar auth login`) within "
                f"{TOKEN_SECONDS / 60:.0f} minutes: this run goes on with the new token. Running jobs are not affected."
            )
