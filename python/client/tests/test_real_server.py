"""Against the real server, which runs jobs with runc."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from science_platform import (
    AsyncJobs,
    Job,
    JobFailed,
    JobRequest,
    Jobs,
    ProblemError,
    UnreachableError,
    WaitStopped,
)
from science_platform.calls import Body
from science_platform_testing import IMAGE, Platform, eventually


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    # Few requests at once, so that the limit is met. Its own client repeats.
    settings = "limits: {requests: {changes: {burst: 40, perSecond: 40}}}\n"
    with Platform(settings) as one:
        yield one


@pytest.fixture
def jobs(platform: Platform) -> Iterator[Jobs]:
    with platform.jobs() as client:
        yield client


def shell(line: str, **fields: object) -> dict[str, object]:
    return {"name": "test", "image": IMAGE, "cmd": "sh", "args": ["-c", line], **fields}


#: A line that ends when a file comes into the home of the user: jobs end when a test says so, and not after a time.
WAITS = 'while [ ! -e "$HOME/$GATE" ]; do sleep 0.1; done'


class Gate:
    """A file in the home that jobs wait for."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.name = name
        self._path = platform.folder / "data" / "arc" / "home" / "ada" / name

    @property
    def env(self) -> dict[str, str]:
        return {"GATE": self.name}

    def open(self) -> None:
        self._path.touch()


@pytest.fixture
def gate(platform: Platform, request: pytest.FixtureRequest) -> Iterator[Gate]:
    gate = Gate(platform, request.node.name)
    yield gate
    if gate._path.parent.exists():
        gate.open()


def becomes(jobs: Jobs, id: str, state: str) -> Job:
    def look() -> Job | None:
        job = jobs.get(id)
        return job if job.state == state else None

    return eventually(f"job {id} to be {state}", look)  # type: ignore[return-value]


def test_a_job_from_its_submission_to_its_result(jobs: Jobs) -> None:
    lines: list[str] = []
    request = JobRequest(name="first", image=IMAGE, cmd="sh", args=["-c", "echo $WHO; echo é >&2"], env={"WHO": "ada"})
    job = jobs.run(request, on_log=lines.append)
    assert (job.state, job.exit_code, lines) == ("succeeded", 0, ["ada", "é"])
    assert job.usage is not None
    assert job.usage.cpu_seconds is not None
    assert "Started" in [event.reason for event in jobs.events(job.id)]
    assert b"".join(jobs.logs(job.id)) == "ada\né\n".encode()
    assert b"".join(jobs.logs(job.id, range=(1, 3))) == b"da"
    assert b"".join(jobs.logs(job.id, range=(3, 3))) == b""
    assert b"".join(jobs.logs(job.id, range=(1000, None))) == b""
    assert jobs.log_end(job.id, 3) == "é\n".encode()
    assert jobs.get(job.id) == job
    assert job.id in [one.id for one in jobs.list_all(name="first")]
    assert jobs.list(state="queued", limit=1).jobs == []
    assert jobs.account().name == "ada"
    assert jobs.queue().nodes == 1
    assert jobs.why(job.id).state == "succeeded"


def test_a_failed_job_raises_its_cause_and_hint(jobs: Jobs) -> None:
    with pytest.raises(JobFailed) as caught:
        jobs.run(shell("no-such-program"))
    job = caught.value.job
    assert (job.state, job.exit_code) == ("failed", 127)
    assert job.cause is not None
    assert job.cause.message in str(caught.value)
    assert job.id in str(caught.value)


def test_a_refused_request_names_its_field(jobs: Jobs) -> None:
    with pytest.raises(ProblemError) as caught:
        jobs.run(shell("true", name="a_b"))
    assert (caught.value.status, caught.value.field) == (400, "name")
    with pytest.raises(ValueError, match="run takes one job"):
        jobs.run(shell("true", replicas=2))
    with pytest.raises(ProblemError) as missing:
        jobs.wait("zzzzzzzz")
    assert missing.value.type == "job-not-found"


def test_one_key_is_one_job(jobs: Jobs) -> None:
    request = shell("true", name="once")
    first = jobs.submit(request, key="night-42").ids
    assert jobs.submit(request, key="night-42").ids == first
    with pytest.raises(ProblemError) as caught:
        jobs.submit(shell("false", name="once"), key="night-42")
    assert (caught.value.status, caught.value.type) == (409, "idempotency-conflict")
    jobs.wait(first)
    assert len([*jobs.list_all(name="once")]) == 1


def test_more_requests_than_the_limit_are_sent_again_when_the_server_takes_them(jobs: Jobs) -> None:
    # 60 submissions at once from 20 threads, where the limit is 40: none of them fails.
    ids: list[str] = []
    failures: list[Exception] = []

    def submit() -> None:
        try:
            ids.extend(id for _ in range(3) for id in jobs.submit(shell("true", name="many")).ids)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(ids)) == 60
    ended: list[str] = []
    assert {job.state for job in jobs.wait(ids, on_ended=lambda job: ended.append(job.id))} == {"succeeded"}
    assert sorted(ended) == sorted(ids)


def test_labels_select_jobs_to_list_and_to_cancel(jobs: Jobs, gate: Gate) -> None:
    request = shell(WAITS, env=gate.env, labels={"run": "night-42"}, replicas=3, name="labelled")
    ids = jobs.submit(request).ids
    assert sorted(job.id for job in jobs.list_all(label="run=night-42")) == sorted(ids)
    assert jobs.get(ids[0]).labels == {"run": "night-42"}
    assert jobs.cancel_many(label="run", dry_run=True).counts.cancelled == 3
    assert jobs.cancel_many([ids[0], "zzzzzzzz"]).to_json() == {
        "cancelled": [ids[0]],
        "ended": [],
        "unknown": ["zzzzzzzz"],
        "counts": {"cancelled": 1, "ended": 0, "unknown": 1},
    }
    jobs.cancel_many(prefix="labelled")
    assert {job.state for job in jobs.wait(ids)} == {"cancelled"}
    with pytest.raises(ValueError, match="give exactly one of ids, label and prefix; 2 were given"):
        jobs.cancel_many(ids, label="run")


def test_unlike_jobs_are_submitted_together_or_not_at_all(jobs: Jobs) -> None:
    unlike: list[Body] = [
        JobRequest(name="batch-a", image=IMAGE, cmd="true"),
        shell("exit 4", name="batch-b", replicas=2),
    ]
    ids = jobs.submit_batch(unlike, key="batch-1").ids
    assert jobs.submit_batch(unlike, key="batch-1").ids == ids
    assert [(job.name, job.exit_code) for job in jobs.wait(ids)] == [("batch-a", 0), ("batch-b-1", 4), ("batch-b-2", 4)]
    slim = {job.id: job for job in jobs.list_all(name="batch", fields=["id", "exit_code"])}
    assert {id: job.exit_code for id, job in slim.items()} == dict(zip(ids, (0, 4, 4), strict=True))
    owner: object = slim[ids[0]].owner
    assert owner is None
    with pytest.raises(ProblemError) as caught:
        jobs.submit_batch([shell("true", name="none-a"), shell("true", name="none-b", cores=0)])
    assert caught.value.field == "jobs[1].cores"
    assert [*jobs.list_all(name="none")] == []


def test_a_job_runs_in_the_directory_of_its_request(jobs: Jobs) -> None:
    lines: list[str] = []
    jobs.run(shell("pwd", workingDirectory="/tmp"), on_log=lines.append)
    assert lines == ["/tmp"]


def test_a_wait_outlives_a_crash_of_the_server(platform: Platform, jobs: Jobs, gate: Gate) -> None:
    (id,) = jobs.submit(shell(WAITS, env=gate.env)).ids
    becomes(jobs, id, "running")
    outcome: list[Job] = []
    waiter = threading.Thread(target=lambda: outcome.extend(jobs.wait(id)))
    waiter.start()
    platform.stop(signal.SIGKILL)
    gate.open()
    platform.start()
    waiter.join(120)
    assert [job.state for job in outcome] == ["succeeded"]


def test_following_a_log_outlives_a_crash_of_the_server_and_gives_each_byte_once(
    platform: Platform, jobs: Jobs, gate: Gate
) -> None:
    line = f"for i in 1 2 3; do echo before $i; done; {WAITS}; for i in 1 2 3; do echo after $i; done"
    (id,) = jobs.submit(shell(line, env=gate.env)).ids
    lines: list[str] = []
    read_before = threading.Event()

    def follow() -> None:
        for one in jobs.log_lines(id, follow=True):
            lines.append(one)
            if one == "before 3":
                read_before.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert read_before.wait(120)
    platform.stop(signal.SIGKILL)
    gate.open()
    platform.start()
    reader.join(120)
    assert lines == [*(f"before {i}" for i in (1, 2, 3)), *(f"after {i}" for i in (1, 2, 3))]


def test_an_event_ends_each_wait(jobs: Jobs, gate: Gate) -> None:
    (id,) = jobs.submit(shell(f"echo begun; {WAITS}", env=gate.env)).ids
    stop = threading.Event()
    waits: dict[str, Callable[[], object]] = {
        "wait": lambda: jobs.wait(id, stop=stop),
        "wait_any": lambda: jobs.wait_any([id], seconds=300, stop=stop),
        "log_lines": lambda: [*jobs.log_lines(id, follow=True, stop=stop)],
    }
    stopped: list[str] = []

    def wait(name: str) -> None:
        try:
            waits[name]()
        except WaitStopped:
            stopped.append(name)

    threads = [threading.Thread(target=wait, args=(name,)) for name in waits]
    for thread in threads:
        thread.start()
    becomes(jobs, id, "running")
    stop.set()
    for thread in threads:
        thread.join(120)
    assert sorted(stopped) == sorted(waits)
    assert jobs.get(id).state == "running"


def test_a_run_that_is_stopped_cancels_its_job(jobs: Jobs, gate: Gate) -> None:
    stop = threading.Event()

    def begun(line: str) -> None:
        stop.set()

    with pytest.raises(WaitStopped):
        jobs.run(shell(f"echo begun; {WAITS}", name="stopped", env=gate.env), on_log=begun, stop=stop)
    (job,) = jobs.list_all(name="stopped")
    assert jobs.wait(job.id)[0].state == "cancelled"


def test_a_run_may_leave_its_job(jobs: Jobs, gate: Gate) -> None:
    def begun(line: str) -> None:
        raise KeyError(line)

    request = shell(f"echo begun; {WAITS}", name="left", env=gate.env)
    with pytest.raises(KeyError):
        jobs.run(request, key="left-1", on_log=begun, cancel_on_interrupt=False)
    gate.open()
    # The same key finds the job again.
    assert jobs.run(request, key="left-1").state == "succeeded"
    assert len([*jobs.list_all(name="left")]) == 1


def test_ctrl_c_ends_a_program_and_its_job(platform: Platform, jobs: Jobs, gate: Gate, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from science_platform import Jobs\n"
        f"Jobs().run({shell(f'echo begun; {WAITS}', name='interrupted', env=gate.env)!r},"
        " on_log=lambda line: print(line, flush=True))\n"
    )
    environment = {**os.environ, "CANFAR_URL": platform.url, "CANFAR_TOKEN": platform.token}
    with subprocess.Popen(
        [sys.executable, program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert platform.token not in errors
    (job,) = jobs.list_all(name="interrupted")
    assert jobs.wait(job.id)[0].state == "cancelled"


def test_a_token_that_expires_is_read_again_from_the_saved_login(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"

    def save(token: str) -> None:
        login = {"idp": "x", "mode": "oidc", "token": {"access": token}, "expiry": {"access": 4_102_444_800}}
        content = {
            "version": 2,
            "active": {"authentication": "x", "server": "x"},
            "authentication": {"x": login},
            "servers": {"x": {"idp": "x", "url": f"{platform.url}/skaha", "version": "v1"}},
        }
        path.write_text(yaml.safe_dump(content))

    def refused(jobs: Jobs) -> ProblemError | None:
        try:
            jobs.account()
        except ProblemError as error:
            return error
        return None

    headers = {"authorization": f"Bearer {platform.token}"}
    short = httpx.post(f"{platform.url}/api/v1/tokens", json={"expiresInSeconds": 1}, headers=headers).json()
    save(short["token"])
    with Jobs(configuration=path) as jobs:
        error = eventually("the token to expire", lambda: refused(jobs))
        assert error is not None
        assert error.status == 401
        save(platform.new_token())
        assert jobs.run(shell("true")).state == "succeeded"


def test_a_server_that_is_away_is_named(platform: Platform) -> None:
    with Jobs("http://127.0.0.1:9", "t") as jobs, pytest.raises(UnreachableError, match=r"no answer from http://127"):
        jobs.account()


def test_asyncio_has_the_same(platform: Platform, gate: Gate) -> None:
    async def main() -> None:
        async with AsyncJobs(platform.url, platform.token) as jobs:
            lines: list[str] = []
            job = await jobs.run(shell("echo hello", name="async"), on_log=lines.append)
            assert (job.state, lines) == ("succeeded", ["hello"])
            with pytest.raises(JobFailed):
                await jobs.run(shell("exit 3"))
            assert [one.id async for one in jobs.list_all(name="async")] == [job.id]
            assert await jobs.log_end(job.id, 3) == b"lo\n"
            many = (await jobs.submit_batch([shell("true", replicas=3)])).ids
            ended: list[str] = []
            await asyncio.gather(jobs.wait(many, on_ended=lambda one: ended.append(one.id)), jobs.wait(many[0]))
            assert sorted(ended) == sorted(many)
            assert (await jobs.why(job.id)).state == "succeeded"
            assert (await jobs.events(job.id)) != []
            assert (await jobs.queue()).nodes == 1
            assert (await jobs.cancel_many(many)).counts.ended == 3

            begun = asyncio.Event()
            request = shell(f"echo begun; {WAITS}", name="async-left", env=gate.env)
            task = asyncio.ensure_future(jobs.run(request, on_log=lambda line: begun.set()))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (left,) = [one async for one in jobs.list_all(name="async-left")]
            assert (await jobs.wait(left.id))[0].state == "cancelled"

    asyncio.run(main())


def test_asyncio_outlives_a_crash_of_the_server(platform: Platform, gate: Gate) -> None:
    async def main() -> None:
        async with AsyncJobs(platform.url, platform.token) as jobs:
            begun = asyncio.Event()
            lines: list[str] = []

            def on_log(line: str) -> None:
                lines.append(line)
                begun.set()

            request = shell(f"echo before; {WAITS}; echo after", env=gate.env)
            task = asyncio.ensure_future(jobs.run(request, on_log=on_log))
            await begun.wait()
            await asyncio.to_thread(platform.stop, signal.SIGKILL)
            gate.open()
            await asyncio.to_thread(platform.start)
            assert (await asyncio.wait_for(task, 120)).state == "succeeded"
            assert lines == ["before", "after"]

    asyncio.run(main())
