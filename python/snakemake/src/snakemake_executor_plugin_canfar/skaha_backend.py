"""The skaha interface, as CANFAR has it: no keys, no waits, no causes, and records that are gone an hour after the end.

Parameters are in the address, `cmd` is one word, `args` are split at single spaces, and items of `env` with a second `=`
are dropped in silence. A value that does not survive this travels in hexadecimal digits.
"""

import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from science_platform.login import Identity

from .backend import Ending, Found, Refused, Request, State, TokenRefused, Unavailable

FIRST_POLL = 1.0
LAST_POLL = 10.0
"""Seconds between looks at the list of sessions: 1 after a submission or an end, growing to 10 while nothing changes."""
SUBMIT_TRIES = 5
"""Submissions of one job that the cluster may reject: the interface answers those like failures of its own."""
_UNEXPECTED = "unexpected exception"
ENCODED = "CANFAR_HEX_"
"""Variables with this prefix hold a value in hexadecimal digits; `decoding_line` restores them."""

_STATES: dict[str, State] = {
    "Pending": "waiting",
    "Running": "running",
    "Terminating": "stopping",
    "Completed": "succeeded",
    "Succeeded": "succeeded",
    "Failed": "failed",
    "Error": "failed",
}
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:@%+, -]+")


def parameters(request: Request) -> list[tuple[str, str]]:
    """The parameters of a submission. Raises Refused for what this interface cannot carry."""
    for word in request.words:
        if not _PLAIN_WORD.fullmatch(word):
            raise Refused(
                f"the path {word!r} has a blank or another character that this platform does not pass on. "
                "Rename the workflow's folder: letters, digits and . _ - are safe."
            )
    for field in request.options:
        if field != "network":
            raise Refused(f"the platform has no {field}: leave out the resource or option of this name.")
    command, *arguments = request.words
    found = [
        ("name", request.name),
        ("image", request.image),
        ("type", "headless"),
        ("cores", str(request.cores)),
        ("ram", str(request.memory_gb)),
        ("cmd", command),
        ("args", " ".join(arguments)),
    ]
    if request.gpus:
        found.append(("gpus", str(request.gpus)))
    return found + [("env", item) for item in environment(request.env)]


def environment(env: Mapping[str, str]) -> list[str]:
    """`NAME=VALUE` for values that survive, and `CANFAR_HEX_NAME=DIGITS` for all others."""
    items = []
    for name, value in sorted(env.items()):
        if _PLAIN_VALUE.fullmatch(value):
            items.append(f"{name}={value}")
        else:
            # Zero keeps an empty value from being dropped.
            items.append(f"{ENCODED}{name}=0{value.encode().hex()}")
    return items


def decoding_line(python: str) -> str:
    """A shell line that restores encoded variables. `python` is quoted for a shell."""
    program = (
        "import os, shlex; "
        f'print(*("export " + n[{len(ENCODED)}:] + "=" + shlex.quote(bytes.fromhex(v[1:]).decode()) '
        f'for n, v in os.environ.items() if n.startswith("{ENCODED}")), sep="\\n")'
    )
    return f'eval "$({python} -c {shlex.quote(program)})"\n'


def ending_of(identifier: str, session: Mapping[str, Any] | None) -> Ending | None:
    """The end of a session, or None if it goes on. Without a record it is gone."""
    if session is None:
        return Ending(identifier, "gone")
    state = _STATES.get(str(session.get("status")), "running")
    if state == "succeeded" or state == "failed":
        return Ending(identifier, state)
    return None


class SkahaBackend:
    """A backend over `/skaha/v1`."""

    holds_waits = False
    tells_causes = False
    runs_lines = False
    key_seconds = 0.0

    def __init__(self, identity: Identity, stop: threading.Event, transport: httpx.BaseTransport | None = None) -> None:
        """Takes the login. `stop` ends waits. `transport` replaces the network in tests."""
        self._identity = identity
        self._stop = stop
        self._url = identity.addresses.session
        self._client = httpx.Client(timeout=30, transport=transport)
        self._lock = threading.Lock()
        self._doubtful: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._pause = FIRST_POLL

    def check(self) -> None:
        """Checks the token."""
        self._sessions()

    def submit(self, request: Request, key: str) -> str:
        """Submits a job. After a lost answer, the name says whether the job exists: no other job has it."""
        sent = parameters(request)
        self._pause = FIRST_POLL
        with self._lock:
            doubtful = key in self._doubtful
        if doubtful and (found := self.find_by_name(request.name)):
            return found[0].id
        try:
            answer = self._request("POST", "/session", params=sent)
        except Unavailable as error:
            with self._lock:
                self._doubtful.add(key)
                self._failures[key] += _UNEXPECTED in str(error)
                final = self._failures[key] >= SUBMIT_TRIES
            if final:
                raise Refused(str(error)) from error
            raise
        return answer.text.strip()

    def wait_any(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        """Looks at the list of sessions at intervals."""
        deadline = time.monotonic() + seconds
        while True:
            sessions = {str(one.get("id")): one for one in self._sessions()}
            # A session that has just been submitted may be missing from a list; its own address is certain.
            found = [
                ending_of(one, sessions[one] if one in sessions else self._session(one)) for one in dict.fromkeys(ids)
            ]
            ended = [one for one in found if one is not None]
            if ended:
                self._pause = FIRST_POLL
                return ended
            pause = min(self._pause, max(0.0, deadline - time.monotonic()))
            self._pause = min(LAST_POLL, self._pause * 1.2)
            if self._stop.wait(pause):
                return []
            if time.monotonic() >= deadline:
                return []

    def cancel(self, ids: Sequence[str]) -> None:
        """Deletes sessions. The answer is 200 also for those that are gone."""
        for identifier in ids:
            self._request("DELETE", f"/session/{identifier}", missing=True)

    def log_tail(self, identifier: str, size: int) -> bytes:
        """The end of a log. The interface gives the whole of it, or nothing."""
        answer = self._request("GET", f"/session/{identifier}", params=[("view", "logs")], missing=True)
        return b"" if answer.status_code == 404 else answer.content[-size:]

    def find_by_name(self, prefix: str) -> list[Found]:
        """Sessions by the start of their names."""
        return [
            Found(str(one["id"]), str(one["name"]), _STATES.get(str(one.get("status")), "running"))
            for one in self._sessions()
            if str(one.get("name", "")).startswith(prefix)
        ]

    def why_waiting(self, prefix: str) -> str | None:
        """The interface does not tell."""
        return None

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _sessions(self) -> list[dict[str, Any]]:
        found = self._json(self._request("GET", "/session", params=[("type", "headless")]))
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _session(self, identifier: str) -> dict[str, Any] | None:
        answer = self._request("GET", f"/session/{identifier}", missing=True)
        if answer.status_code == 404:
            return None
        found = self._json(answer)
        return found if isinstance(found, dict) else None

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise Unavailable(f"the answer of {answer.request.url.path} is not JSON") from error

    def _request(
        self, method: str, path: str, params: Sequence[tuple[str, str]] = (), *, missing: bool = False
    ) -> httpx.Response:
        token = self._identity.token
        try:
            answer = self._client.request(
                method,
                self._url + path,
                params=list(params),
                headers={"authorization": f"Bearer {token}", "content-type": "application/x-www-form-urlencoded"},
            )
        except httpx.HTTPError as error:
            # An error of httpx holds the request with its token.
            raise Unavailable(f"no answer from {self._url}: {type(error).__name__}") from None
        status = answer.status_code
        if 200 <= status < 300 or (missing and status == 404):
            return answer
        text = answer.text.strip()[:500] or f"HTTP {status}"
        if status in (401, 403):
            if self._identity.renew(token):
                return self._request(method, path, params, missing=missing)
            raise TokenRefused(f"{text}.")
        if status in (408, 429) or status >= 500:
            after = answer.headers.get("retry-after", "")
            raise Unavailable(f"HTTP {status}: {text}", float(after) if after.isdigit() else None)
        raise Refused(text)
