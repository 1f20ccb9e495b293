"""The calls of the API, as steps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from .errors import ProblemError
from .exchange import Exchange
from .model import (
    Account,
    CancelledJobs,
    CancelledJobsCounts,
    CancelRequest,
    Job,
    JobEvent,
    JobEvents,
    JobPage,
    JobRequest,
    QueueOverview,
    Submitted,
    Waited,
    Why,
)
from .steps import PATIENCE, SUBMIT_PATIENCE, Answer, Now, Pause, Request, Steps, Together, persist

#: Seconds that a wait stays open: below the 30 s timeout of many proxies.
WAIT_SECONDS = 25.0
#: Ids of one request to wait or to cancel: the server takes no more.
IDS_PER_REQUEST = 1_000
#: States of jobs that have ended.
ENDED = frozenset({"succeeded", "failed", "cancelled"})

Body = JobRequest | Mapping[str, Any]

#: Attribute of a job: its name in the API.
_API_NAMES = {attribute: name for name, (attribute, _) in Job.shape.items()}


class Calls(Exchange):
    """The calls with the login of a client."""

    def submit(self, request: Body, key: str | None) -> Steps[Submitted]:
        return self._submit("/jobs", body_of(request), key)

    def submit_batch(self, requests: Sequence[Body], key: str | None) -> Steps[Submitted]:
        return self._submit("/jobs/batch", {"jobs": [body_of(one) for one in requests]}, key)

    def _submit(self, path: str, body: Mapping[str, Any], key: str | None) -> Steps[Submitted]:
        headers = {"idempotency-key": str(uuid.uuid4()) if key is None else key}
        return persist(lambda: self._parsed(Submitted, self._post(path, body, headers)), SUBMIT_PATIENCE)

    def get(self, id: str) -> Steps[Job]:
        return self._parsed(Job, self._request("GET", self._job(id)))

    def page(self, query: Mapping[str, str | int | Sequence[str] | None]) -> Steps[JobPage]:
        given = {name: value for name, value in query.items() if value is not None}
        if fields := given.get("fields"):
            given["fields"] = [_API_NAMES.get(name, name) for name in _words(fields)]
        parameters = urlencode({name: ",".join(_words(value)) for name, value in given.items()})
        return self._parsed(JobPage, self._request("GET", f"/jobs?{parameters}" if parameters else "/jobs"))

    def cancel(self, id: str) -> Steps[Job]:
        return self._parsed(Job, self._request("POST", f"{self._job(id)}/cancel"))

    def cancel_many(self, request: CancelRequest) -> Steps[CancelledJobs]:
        ids = request.ids
        given = [one for one in (ids, request.label, request.prefix) if one is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of ids, label and prefix; {len(given)} were given")
        if ids is None:
            return (yield from self._cancelled(request.to_json()))
        body = request.to_json()
        parts = [[*ids[start : start + IDS_PER_REQUEST]] for start in range(0, len(ids), IDS_PER_REQUEST)]
        answers: list[CancelledJobs] = []
        for part in parts:
            answers.append((yield from self._cancelled({**body, "ids": part})))
        cancelled, ended, unknown = (
            [id for one in answers for id in getattr(one, name)] for name in ("cancelled", "ended", "unknown")
        )
        counts = CancelledJobsCounts(cancelled=len(cancelled), ended=len(ended), unknown=len(unknown))
        return CancelledJobs(cancelled=cancelled, ended=ended, unknown=unknown, counts=counts)

    def _cancelled(self, body: Mapping[str, Any]) -> Steps[CancelledJobs]:
        return persist(lambda: self._parsed(CancelledJobs, self._post("/jobs/cancel", body, {})), SUBMIT_PATIENCE)

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
        parts = [unique[start : start + IDS_PER_REQUEST] for start in range(0, len(unique), IDS_PER_REQUEST)]
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
            for job in (yield Together(fetches, self.concurrency)) if fetches else []:
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
        return Request(method, self.addresses.api + path, headers or {}, streamed=streamed)

    def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str], seconds: float = 0) -> Request:
        content = json.dumps(body).encode()
        return Request(
            "POST", self.addresses.api + path, {"content-type": "application/json", **headers}, content, seconds
        )


def body_of(request: Body) -> dict[str, Any]:
    """The request with the names of the API."""
    return request.to_json() if isinstance(request, JobRequest) else dict(request)


def _words(value: str | int | Sequence[str]) -> Sequence[str]:
    return str(value).split(",") if isinstance(value, str | int) else value
