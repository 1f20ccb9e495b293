import json
import re
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from science_platform import JobRequest, ProblemError, UnreachableError
from science_platform.calls import Calls
from science_platform.login import Identity
from science_platform.model import CancelRequest
from science_platform.steps import Answer, Request

URL = "https://batch.example.org"


def calls() -> Calls:
    return Calls(Identity(URL, "t0ken", Path("/nonexistent")), None, 16)


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, named, json.dumps(value).encode())


def job(id: str, state: str = "succeeded") -> dict[str, Any]:
    return {"id": id, "name": id, "state": state, "attempts": []}


def test_a_submission_without_an_answer_is_repeated_for_ten_seconds_under_one_key() -> None:
    keys: list[str] = []

    def server(request: Request) -> Answer:
        keys.append(request.headers["idempotency-key"])
        raise UnreachableError(request.url, "refused")

    clock = Clock(server)
    with pytest.raises(UnreachableError):
        clock.run(calls().submit(JobRequest(name="n", image="i"), None))
    assert len(set(keys)) == 1
    assert re.fullmatch(r"[0-9a-f-]{36}", keys[0])
    assert clock.pauses[:6] == [0.25, 0.5, 1, 2, 4, 5]
    assert 10 <= clock.now < 15


@pytest.mark.parametrize("status", [502, 503, 504])
def test_the_answer_of_a_proxy_without_a_server_is_no_answer(status: int) -> None:
    answers = [Answer(status, {}, b"<html>"), json_answer({"ids": ["a"]}, 201)]
    clock = Clock(lambda _: answers.pop(0))
    assert clock.run(calls().submit({"name": "n", "image": "i"}, "my-key")).ids == ["a"]
    assert clock.pauses == [0.25]


def test_a_refusal_is_raised_at_once_with_detail_hint_and_field() -> None:
    problem = {
        "type": "urn:science-platform:problem:invalid-request",
        "title": "The request is not valid.",
        "status": 400,
        "detail": "name is 'a_b'.",
        "hint": "Use letters, digits and hyphens.",
        "field": "name",
    }
    clock = Clock(lambda _: json_answer(problem, 400))
    with pytest.raises(ProblemError) as caught:
        clock.run(calls().submit({"name": "a_b", "image": "i"}, None))
    error = caught.value
    assert (error.type, error.status, error.field) == ("invalid-request", 400, "name")
    assert str(error) == "name is 'a_b'. Use letters, digits and hyphens."
    assert clock.pauses == []


def test_an_answer_of_something_else_names_the_request() -> None:
    for answer in (Answer(302, {"location": "/login"}, b""), Answer(200, {}, b"<html>"), Answer(404, {}, b"not here")):
        with pytest.raises(ProblemError, match="Something other than the platform may have answered") as caught:
            Clock(lambda _, answer=answer: answer).run(calls().get("abc"))  # type: ignore[misc]
        assert f"GET {URL}/api/v1/jobs/abc" in str(caught.value)
        assert caught.value.type == "about:blank"


def test_too_many_requests_are_repeated_after_the_time_that_the_server_names() -> None:
    answers = [
        json_answer({}, 429, retry_after="7"),
        json_answer({}, 429),
        json_answer({}, 429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        json_answer(job("a")),
    ]
    clock = Clock(lambda _: answers.pop(0))
    assert clock.run(calls().get("a")).id == "a"
    assert clock.pauses == [7, 1, 1]


def test_a_server_that_names_more_time_than_the_patience_is_not_waited_for() -> None:
    problem = {"type": "urn:science-platform:problem:queue-full", "title": "Full.", "detail": "Full."}
    clock = Clock(lambda _: json_answer(problem, 429, retry_after="3600"))
    with pytest.raises(ProblemError, match="Full"):
        clock.run(calls().get("a"))
    assert clock.pauses == []


def test_the_query_of_a_list_leaves_out_what_is_not_given() -> None:
    seen: list[str] = []

    def server(request: Request) -> Answer:
        seen.append(request.url)
        return json_answer({"jobs": []})

    Clock(server).run(calls().page({"state": ["queued", "running"], "name": "a b", "limit": None}))
    Clock(server).run(calls().page({"state": None}))
    assert seen == [f"{URL}/api/v1/jobs?state=queued%2Crunning&name=a+b", f"{URL}/api/v1/jobs"]


class Ending:
    """A server on which the jobs end in groups, one group for each request to wait."""

    def __init__(self, *groups: list[str]) -> None:
        self.groups = [*groups]
        self.asked: list[list[str]] = []

    def __call__(self, request: Request) -> Answer:
        if request.url.endswith("/wait"):
            body = json.loads(request.content or b"")
            self.asked.append(body["ids"])
            assert body["timeout"] == request.seconds == 25
            ended = [{"id": id, "name": id, "state": "succeeded"} for id in self.groups.pop(0)]
            return json_answer({"ended": ended, "unknown": []})
        return json_answer(job(request.url.rsplit("/", 1)[1]))


def test_a_wait_asks_for_what_has_not_ended_and_returns_in_the_order_of_the_ids() -> None:
    server = Ending(["b"], [], ["a", "c"])
    ended: list[str] = []
    clock = Clock(server)
    jobs = clock.run(calls().wait(["a", "b", "c", "a"], lambda one: ended.append(one.id)))
    assert [one.id for one in jobs] == ["a", "b", "c", "a"]
    assert ended == ["b", "a", "c"]
    assert server.asked == [["a", "b", "c"], ["a", "c"], ["a", "c"]]
    # An empty answer at once is that of a server that shuts down.
    assert clock.pauses == [0.25]


def test_a_wait_for_no_job_asks_nothing() -> None:
    assert Clock(Ending()).run(calls().wait([], None)) == []


def test_a_wait_for_many_jobs_takes_a_thousand_to_a_request() -> None:
    ids = [f"j{number}" for number in range(2_500)]
    server = Ending(ids[:1000], ids[1000:2000], ids[2000:])
    assert len(Clock(server).run(calls().wait(ids, None))) == 2_500
    assert [len(one) for one in server.asked] == [1000, 1000, 500]


def test_a_wait_persists_for_five_minutes_and_then_raises() -> None:
    def away(request: Request) -> Answer:
        raise UnreachableError(request.url, "refused")

    clock = Clock(away)
    with pytest.raises(UnreachableError):
        clock.run(calls().wait(["a"], None))
    assert 300 <= clock.now < 306


def test_an_unknown_id_ends_the_wait_with_the_words_of_the_server() -> None:
    def server(request: Request) -> Answer:
        if request.url.endswith("/wait"):
            return json_answer({"ended": [], "unknown": ["typo"]})
        problem = {
            "type": "urn:science-platform:problem:job-not-found",
            "title": "t",
            "detail": "There is no job typo.",
        }
        return json_answer(problem, 404)

    with pytest.raises(ProblemError, match="There is no job typo"):
        Clock(server).run(calls().wait(["a", "typo"], None))


def test_ids_are_no_paths() -> None:
    seen: list[str] = []

    def server(request: Request) -> Answer:
        seen.append(request.url)
        return json_answer(job("x"))

    Clock(server).run(calls().get("../account?x=1"))
    assert seen == [f"{URL}/api/v1/jobs/..%2Faccount%3Fx%3D1"]


def test_more_ids_than_a_request_takes_are_cancelled_in_parts() -> None:
    parts: list[int] = []

    def server(request: Request) -> Answer:
        body = json.loads(request.content or b"")
        parts.append(len(body["ids"]))
        return json_answer({"cancelled": body["ids"], "ended": [], "unknown": [], "counts": {}})

    answer = Clock(server).run(calls().cancel_many(CancelRequest(ids=[f"j{number}" for number in range(2_500)])))
    assert parts == [1000, 1000, 500]
    assert (len(answer.cancelled), answer.counts.cancelled) == (2500, 2500)
