"""Requests, states and refusals, without a server."""

import sys
from pathlib import Path

import pytest
from parsl.jobs.states import JobState
from parsl_canfar import CanfarProvider, address_to_platform
from parsl_canfar.block import CERTIFICATES, Sizes, complaint_of_logs, job_name, request_of, script, seconds_of
from parsl_canfar.network import complaint_of_addresses
from parsl_canfar.outcome import outcome_of_ended, outcome_of_live
from science_platform import Cause, EndedJob

SIZES = Sizes(image="i/p:1", cores=4, memory_gb=16, time_seconds=60, environment={"A": "b"}, labels={"night": "1"})
POOL = "process_worker_pool.py  -a {} -p 0 --cert_dir None --logdir=/scratch/htex --block_id=0"


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANFAR_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CANFAR_TOKEN", "secret-token")


def test_a_request_has_sizes_labels_and_what_the_workers_read() -> None:
    request = request_of(SIZES, "start", "parsl.htex_1.block-0", run="r", block="b", keys=None)
    assert (request.name, request.cores, request.memory_gb, request.time_seconds) == ("parsl-htex-1-block-0", 4, 16, 60)
    assert request.env == {"A": "b", "PARSL_CORES": "4", "PARSL_MEMORY_GB": "16"}
    assert request.labels == {"night": "1", "parsl-run": "r", "parsl-block": "b"}
    assert request.cmd == "bash"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("parsl.auto", "parsl-auto"), ("é", "parsl"), ("x" * 80, "x" * 63), ("a" * 62 + ".b", "a" * 62)],
)
def test_names(name: str, wanted: str) -> None:
    assert job_name(name) == wanted


def test_the_script_starts_the_command_after_worker_init() -> None:
    assert script("source env", "a\nb", encrypted=False) == "trap 'exit 143' TERM\nsource env\n{\na\nb\n} &\nwait $!\n"
    assert CERTIFICATES in script("", "a", encrypted=True)


@pytest.mark.parametrize(("walltime", "seconds"), [("00:00:01", 1), ("720:00:00", 2_592_000), ("01:02:03", 3723)])
def test_walltime(walltime: str, seconds: int) -> None:
    assert seconds_of(walltime) == seconds


@pytest.mark.parametrize("walltime", ["", "1:00", "00:60:00", "00:00:00", "720:00:01"])
def test_a_wrong_walltime_is_named(walltime: str) -> None:
    with pytest.raises(ValueError, match="walltime="):
        CanfarProvider("i/p:1", walltime=walltime)


@pytest.mark.parametrize(
    ("name", "value"), [("cores_per_node", 0), ("mem_per_node", 1.5), ("mem_per_node", 513), ("network", "none")]
)
def test_a_wrong_size_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        CanfarProvider("i/p:1", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("addresses", ["127.0.0.1", "localhost", "127.0.1.1,::1"])
def test_loopback_is_refused_on_a_network_of_its_own(addresses: str) -> None:
    complaint = complaint_of_addresses(POOL.format(addresses), None)
    assert complaint is not None
    assert "address_to_platform()" in complaint
    assert complaint_of_addresses(POOL.format(addresses), "host") is None


@pytest.mark.parametrize(
    "command", [POOL.format("10.0.0.1"), POOL.format("127.0.0.1,10.0.0.1"), "work_queue_worker -a"]
)
def test_other_addresses_are_not_refused(command: str) -> None:
    assert complaint_of_addresses(command, None) is None


def test_logs_where_jobs_have_no_folder_are_refused() -> None:
    assert complaint_of_logs(POOL) is None
    assert "worker_logdir_root='/scratch'" in (complaint_of_logs("x --logdir=/home/ada/runinfo/000/htex") or "")
    assert complaint_of_logs("x --logdir=/arcade/a") is not None
    assert complaint_of_logs("x --logdir=runinfo") is None


def test_this_machines_address_on_its_route() -> None:
    assert address_to_platform() == "127.0.0.1"
    assert address_to_platform("http://127.0.0.2:8080/api/v1").startswith("127.")


def test_parsls_log_shows_neither_token_nor_variables() -> None:
    shown = repr(CanfarProvider("i/p:1", environment={"PASSWORD": "hunter2"}))
    assert "PASSWORD" in shown
    assert "hunter2" not in shown
    assert "secret-token" not in shown


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("held", JobState.HELD),
        ("queued", JobState.PENDING),
        ("starting", JobState.PENDING),
        ("running", JobState.RUNNING),
        ("stopping", JobState.RUNNING),
        ("new-state", JobState.UNKNOWN),
    ],
)
def test_states_of_live_jobs(state: str, wanted: JobState) -> None:
    assert outcome_of_live(state).state == wanted


@pytest.mark.parametrize(
    ("state", "code", "wanted"),
    [
        ("succeeded", "exited", JobState.COMPLETED),
        ("cancelled", "cancelled", JobState.CANCELLED),
        ("failed", "time-limit", JobState.TIMEOUT),
        ("failed", "out-of-memory", JobState.FAILED),
        ("failed", "lost", JobState.FAILED),
        ("failed", "evicted", JobState.FAILED),
        ("failed", "exited", JobState.FAILED),
    ],
)
def test_states_of_ended_jobs(state: str, code: str, wanted: JobState) -> None:
    cause = Cause(code=code, message="It ended so.", hint="Do this.")  # type: ignore[arg-type]
    job = EndedJob(id="abcd1234", name="n", state=state, exit_code=3, cause=cause)  # type: ignore[arg-type]
    outcome = outcome_of_ended(job, b"one\n\x1b[31mtwo\n")
    assert (outcome.state, outcome.exit_code) == (wanted, 3)
    assert outcome.message == (
        f"Job abcd1234 {state}. It ended so. Do this.\nThe end of its log:\n  | one\n  | [31mtwo\nLog: canfar logs abcd1234"
    )


def test_each_status_is_an_object_of_its_own() -> None:
    outcome = outcome_of_live("running")
    outcome.status().state = JobState.MISSING
    assert outcome.status().state == JobState.RUNNING


def test_rubins_packages_are_not_needed() -> None:
    assert not [name for name in sys.modules if name == "lsst" or name.startswith("lsst.")]
    assert "lsst" not in (Path(__file__).parents[1] / "src" / "parsl_canfar" / "__init__.py").read_text()
