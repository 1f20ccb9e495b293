"""The provider on the real server."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from parsl.jobs.states import JobState, JobStatus
from parsl.providers.errors import SubmitException
from parsl_canfar import CanfarProvider
from science_platform_testing import IMAGE, Platform

MakeProvider = Callable[..., CanfarProvider]


@pytest.fixture
def make(platform: Platform) -> Iterator[MakeProvider]:
    made: list[CanfarProvider] = []

    def one(**options: object) -> CanfarProvider:
        made.append(CanfarProvider(IMAGE, **{"mem_per_node": 1, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield one
    with platform.jobs() as jobs:
        for provider in made:
            jobs.cancel_many(label=f"parsl-run={provider.run}")


def until(provider: CanfarProvider, id: str, *states: JobState) -> JobStatus:
    """The status of a block when it is one of these."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        (status,) = provider.status([id])
        if status.state in states:
            return status
        time.sleep(0.05)
    raise TimeoutError(f"{id} is {status}, not {states}")


def test_a_block_from_submission_to_its_end(platform: Platform, make: MakeProvider) -> None:
    provider = make(cores_per_node=2, mem_per_node=2, worker_init="export GREETING=hello", labels={"night": "7"})
    id = provider.submit('echo "$GREETING $PARSL_CORES $PARSL_MEMORY_GB"', 1, "parsl.htex.block-0")
    status = until(provider, id, JobState.COMPLETED)
    assert (status.exit_code, status.terminal) == (0, True)
    assert "  | hello 2 2\n" in (status.message or "")
    with platform.jobs() as jobs:
        job = jobs.get(id)
        assert job.name == "parsl-htex-block-0"
        assert [one.id for one in jobs.list(label="night=7").jobs] == [id]


def test_a_block_that_fails_tells_its_cause_and_last_words(make: MakeProvider) -> None:
    provider = make()
    status = until(provider, provider.submit("echo its last words; exit 3", 1), JobState.FAILED)
    assert status.exit_code == 3
    assert "  | its last words\n" in (status.message or "")


def test_a_block_that_reaches_its_time_limit_has_not_failed(make: MakeProvider) -> None:
    provider = make(walltime="00:00:02")
    assert "limit" in (until(provider, provider.submit("sleep 600", 1), JobState.TIMEOUT).message or "")


def test_a_block_that_needs_too_much_memory(make: MakeProvider) -> None:
    provider = make()
    id = provider.submit("exec tail /dev/zero", 1)
    status = until(provider, id, JobState.FAILED)
    assert "memory" in (status.message or "")


def test_blocks_are_cancelled_in_one_request(make: MakeProvider) -> None:
    provider = make()
    ids = [provider.submit("sleep 600", 1) for _ in range(3)]
    until(provider, ids[0], JobState.RUNNING)
    assert provider.cancel(ids) == [True, True, True]
    for id in ids:
        until(provider, id, JobState.CANCELLED)
    assert provider.cancel([*ids, "zzzzzzzz"]) == [True, True, True, False]


def test_one_request_for_the_states_of_all_blocks(make: MakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = make()
    ids = [provider.submit("sleep 600", 1) for _ in range(5)]
    requests: list[object] = []
    ask = provider._jobs._run

    def counted(steps: Any, *rest: Any) -> Any:
        requests.append(steps)
        return ask(steps, *rest)

    monkeypatch.setattr(provider._jobs, "_run", counted)
    assert len(provider.status(ids)) == 5
    assert len(requests) == 1
    provider.cancel(ids)


def test_a_submission_that_is_refused_gives_the_reason(make: MakeProvider) -> None:
    with pytest.raises(SubmitException, match="group") as caught:
        make(group="another").submit("true", 1)
    assert "retcode" not in str(caught.value)


def test_addresses_that_jobs_do_not_reach_are_refused(platform: Platform, make: MakeProvider) -> None:
    provider = make()
    with pytest.raises(SubmitException, match="loopback"):
        provider.submit("process_worker_pool.py  -a 127.0.0.1 -p 0 --logdir=/scratch", 1)
    with platform.jobs() as jobs:
        assert jobs.list(label=f"parsl-run={provider.run}").jobs == []


def test_the_keys_of_an_encrypted_executor_come_along(tmp_path: Path, make: MakeProvider) -> None:
    (tmp_path / "server.key").write_text("public\n")
    (tmp_path / "client.key_secret").write_text("it's 'secret'\n$HOME\n")
    provider = make()
    look = "stat -c %a $2; cat $2/server.key_secret $2/client.key_secret; env | grep -c PARSL_CANFAR"
    command = f"set -- --cert_dir {tmp_path} ; {look}"
    status = until(provider, provider.submit(command, 1), JobState.COMPLETED, JobState.FAILED)
    shown = [line[4:] for line in (status.message or "").splitlines() if line.startswith("  | ")]
    assert shown == ["700", "public", "", '    secret-key = "unused"', "it's 'secret'", "$HOME", "0"]


def test_a_server_that_is_away_ends_no_block(platform: Platform, make: MakeProvider) -> None:
    provider = make()
    id = provider.submit("sleep 600", 1)
    until(provider, id, JobState.RUNNING)
    platform.stop(signal.SIGKILL)
    try:
        assert [status.state for status in provider.status([id])] == [JobState.RUNNING]
        late = provider.submit("echo late", 1)
        dropped = provider.submit("sleep 600", 1)
        assert provider.cancel([id, dropped]) == [False, False]
        assert [one.state for one in provider.status([id, late])] == [JobState.RUNNING, JobState.PENDING]
    finally:
        platform.start()
    assert provider.cancel([dropped]) == [True]
    assert "  | late\n" in (until(provider, late, JobState.COMPLETED).message or "")
    assert provider.cancel([id, late]) == [True, True]
    until(provider, id, JobState.CANCELLED)
    with platform.jobs() as jobs:
        assert len(jobs.list(label=f"parsl-run={provider.run}").jobs) == 2


def test_a_job_without_a_record_has_failed(make: MakeProvider) -> None:
    provider = make()
    (status,) = provider.status(["zzzzzzzz"])
    assert status.state == JobState.FAILED
    assert "no record" in (status.message or "")
