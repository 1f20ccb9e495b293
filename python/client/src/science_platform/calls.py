"""The calls of the API, as steps."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from .errors import ProblemError
from .login import Identity
from .model import Account, Job, JobEvent, JobEvents, JobPage, JobRequest, QueueOverview, Submitted, Waited, Why
from .steps import PATIENCE, SUBMIT_PATIENCE, Answer, Now, Pause, Request, Steps, Together, log, persist

#: Seconds that a wait stays open: below the 30 s timeout of many proxies.
WAIT_SECONDS = 25.0
#: Ids of one request to wait: the server takes no more.
IDS_PER_WAIT = 1_000
#: States of jobs that have ended.
ENDED = frozenset({"succeeded", "failed", "cancelled"})

Body = JobRequest | Mapping[str, Any]


class Calls:
    """Every call with the login of a client."""

    def __init__(self, identity: Identity, registry: tuple[str, str] | None, concurrency: int) -> None:
        """Takes who calls; `registry` is user and secret for private images."""
        self._identity = identity
        self._api = identity.addresses.api
        self._concurrency = concurrency
        self._headers = {
            "accept": "application/json",
            "x-skaha-authentication-type": "RUNTIME-TOKEN",
            "user-agent": "science-platform-client-python/0.1.0",
        }
        if registry is not None:
            pair = base64.b64encode(":".join(registry).encode()).decode()
            self._headers["x-skaha-registry-auth"] = pair

    def submit(self, request: Body, key: str | None) -> Steps[Submitted]:
        body = request.to_json() if isinstance(request, JobRequest) else dict(request)
        key = str(uuid.uuid4()) if key is None else key
        return persist(
            lambda: self._parsed(Submitted, self._post("/jobs", body, {"idempotency-key": key})), SUBMIT_PATIENCE
        )

    def get(self, id: str) -> Steps[Job]:
        return self._parsed(Job, self._request("GET", self._job(id)))

    def page(self, query: Mapping[str, str | int | Sequence[str] | None]) -> Steps[JobPage]:
        given = {name: value for name, value in query.items() if value is not None}
        parameters = urlencode(
            {name: str(value) if isinstance(value, str | int) else ",".join(value) for name, value in given.items()}
        )
        return self._parsed(JobPage, self._request("GET", f"/jobs?{parameters}" if parameters else "/jobs"))

    def cancel(self, id: str) -> Steps[Job]:
        return self._parsed(Job, self._request("POST", f"{self._job(id)}/cancel"))

    def events(self, id: str) -> Steps[list[JobEvent]]:
        answer: JobEvents = yield from self._parsed(JobEvents, self._request("GET", f"{self._job(id)}/events"))
        return answer.events

    def why(self, id: str) -> Steps[Why]:
        return self._parsed(Why, self._request("GET", f"{self._job(id)}/why"))

    def queue(self) -> Steps[QueueOverview]:
        return self._parsed(QueueOverview, self._request("GET", "/queue"))

    def account(self) -> Steps[Account]:
        return self._parsed(Account, self._request("GET", "/account"))

    def wait_any(self, ids: Sequence[str], seconds: float) -> Steps[Waited]:
        body = {"ids": [*ids], "timeout": seconds}
        return self._parsed(Waited, self._post("/jobs/wait", body, {}, seconds))

    def wait(self, ids: Sequence[str], on_ended: Callable[[Job], None] | None) -> Steps[list[Job]]:
        ended: dict[str, Job] = {}

        def end(job: Job) -> None:
            ended[job.id] = job
            if on_ended is not None:
                on_ended(job)

        unique = [*dict.fromkeys(ids)]
        parts = [unique[start : start + IDS_PER_WAIT] for start in range(0, len(unique), IDS_PER_WAIT)]
        yield Together([self._wait_for_all(part, end) for part in parts], max(1, len(parts)))
        return [ended[id] for id in ids]

    def _wait_for_all(self, ids: Sequence[str], end: Callable[[Job], None]) -> Steps[None]:
        """Waits for all of up to 1,000 jobs."""
        open_ids = dict.fromkeys(ids)
        while open_ids:
            asked = yield Now()
            waited: Waited = yield from persist(lambda: self.wait_any([*open_ids], WAIT_SECONDS), PATIENCE)
            if waited.unknown:
                # Raises the server's own words for an id that is no job of the caller.
                yield from self._persistent_get(waited.unknown[0])
            fetches = [self._persistent_get(one.id) for one in waited.ended]
            for job in (yield Together(fetches, self._concurrency)) if fetches else []:
                open_ids.pop(job.id, None)
                end(job)
            # A server that shuts down answers at once.
            if not waited.ended and (yield Now()) - asked < 1:
                yield Pause(0.25)

    def _persistent_get(self, id: str) -> Steps[Job]:
        return persist(lambda: self.get(id), PATIENCE)

    def log(self, id: str, *, follow: bool, start: int, end: int | None) -> Steps[Answer | None]:
        """The open log from a byte on; None where it has no byte there yet."""
        headers = {"accept": "text/plain"}
        if start > 0 or end is not None:
            # The last byte of a Range is included (RFC 9110, 14.1.2).
            headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
        path = f"{self._job(id)}/logs{'?follow=1' if follow else ''}"
        answer = yield from self.exchange(self._request("GET", path, headers, streamed=True))
        if answer.status == 416:
            return None
        return answer

    def log_end(self, id: str, size: int) -> Steps[bytes]:
        headers = {"accept": "text/plain", "range": f"bytes=-{size}"}
        request = self._request("GET", f"{self._job(id)}/logs", headers)
        answer = yield from self.exchange(request, also=(416,))
        return b"" if answer.status == 416 else answer.content[-size:]

    def exchange(self, request: Request, also: tuple[int, ...] = (416,)) -> Steps[Answer]:
        """A successful answer, or one of the statuses in `also`. Obeys Retry-After, and reads a saved token anew after 401."""
        until = (yield Now()) + PATIENCE
        renewals = 0
        while True:
            token = self._identity.token
            headers = {**self._headers, "authorization": f"Bearer {token}", **request.headers}
            answer: Answer = yield _with_headers(request, headers)
            if 200 <= answer.status < 300 or (answer.status in also and request.headers.get("range")):
                return answer
            if answer.status == 401 and renewals < 2 and self._identity.renew(token):
                renewals += 1
                continue
            if answer.status == 429:
                pause = _retry_after(answer)
                if (yield Now()) + pause <= until:
                    log.info("%s: too many requests, again after %g s", request.name, pause)
                    yield Pause(pause)
                    continue
            raise ProblemError.of(answer.status, answer.content, request.name)

    def _parsed(self, record: Any, request: Request) -> Steps[Any]:
        answer = yield from self.exchange(request, ())
        try:
            value = json.loads(answer.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ProblemError.of(answer.status, b"", request.name)
        return record.from_json(value)

    def _job(self, id: str) -> str:
        return f"/jobs/{quote(id, safe='')}"

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, *, streamed: bool = False
    ) -> Request:
        return Request(method, self._api + path, headers or {}, streamed=streamed)

    def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str], seconds: float = 0) -> Request:
        content = json.dumps(body).encode()
        return Request("POST", self._api + path, {"content-type": "application/json", **headers}, content, seconds)


def _with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    return Request(request.method, request.url, headers, request.content, request.seconds, request.streamed)


def _retry_after(answer: Answer) -> float:
    """Seconds; one where the server names none, or a date."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 1.0
