import json
import subprocess
import sys
from pathlib import Path

import pytest
from science_platform import Job, JobRequest

HERE = Path(__file__).resolve().parents[1]
OPENAPI = HERE.parents[1] / "packages" / "contract" / "openapi.json"

ANSWER = {
    "id": "k3x9a0qz",
    "name": "night",
    "owner": "ada",
    "kind": "headless",
    "state": "failed",
    "image": "localhost/x:1",
    "env": {"PASSWORD": "hunter2"},
    "resources": {
        "cores": {"request": 1, "limit": 8},
        "memoryGb": {"request": 1, "limit": 2},
        "gpus": 0,
        "fixed": False,
    },
    "timeSeconds": 60,
    "submittedAt": "2026-11-23T08:37:45.120Z",
    "attempts": [{"number": 1, "node": "n1", "placedAt": "2026-11-23T08:37:46.120Z", "usage": {"oomKills": 2}}],
    "cause": {"code": "out-of-memory", "message": "It used all of its memory.", "hint": "Ask for more."},
    "somethingNew": {"x": 1},
}


@pytest.mark.skipif(not OPENAPI.exists(), reason="the OpenAPI document is only in the platform's repository")
def test_the_model_is_what_the_openapi_document_says() -> None:
    done = subprocess.run([sys.executable, HERE / "generate.py", "--check"], check=False)
    assert done.returncode == 0, "run python/client/generate.py"


def test_an_answer_becomes_a_record_and_keeps_fields_that_are_unknown() -> None:
    job = Job.from_json(ANSWER)
    assert (job.time_seconds, job.resources.memory_gb.limit) == (60, 2)
    assert job.attempts[0].usage is not None
    assert job.attempts[0].usage.oom_kills == 2
    assert job.cause is not None
    assert job.cause.code == "out-of-memory"
    assert job.exit_code is None
    assert job.extra == {"somethingNew": {"x": 1}}
    assert job.to_json() == ANSWER


def test_a_field_that_an_older_server_leaves_out_is_none() -> None:
    bare = {key: value for key, value in ANSWER.items() if key != "attempts"}
    attempts: object = Job.from_json(bare).attempts
    assert attempts is None


def test_a_request_has_the_names_of_the_api_and_no_empty_fields() -> None:
    request = JobRequest(name="n", image="i", memory_gb=4, args=["a", "b"], env={"A": "1"})
    assert json.loads(json.dumps(request.to_json())) == {
        "name": "n",
        "image": "i",
        "memoryGb": 4,
        "args": ["a", "b"],
        "env": {"A": "1"},
    }


def test_the_variables_of_a_job_are_no_part_of_its_repr() -> None:
    assert "hunter2" not in repr(Job.from_json(ANSWER))
    assert "hunter2" not in repr(JobRequest(name="n", image="i", env={"PASSWORD": "hunter2"}))
