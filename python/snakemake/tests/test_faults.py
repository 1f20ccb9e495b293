"""Faults of the engine, the platform and the workflow. Each rule runs once."""

import json
import os
import re
import stat
import time
from pathlib import Path

import pytest
from standin import Problem, StandIn
from workflow import Workflow, only_in_all

#: Appends a line to a file for each run of the rule, so that a second run shows.
ONCE = """
rule all:
    input: "b.txt"

rule a:
    output: "a.txt"
    shell: "echo a >> runs.txt; while [ ! -e go ]; do sleep 0.1; done; echo done > {output}"

rule b:
    input: "a.txt"
    output: "b.txt"
    shell: "echo b >> runs.txt; cp {input} {output}"
"""
#: Makes the command lines of jobs longer than 128 KiB.
LONG = [f"text{number}={'x' * 4000}" for number in range(40)]
RESUME = ("--rerun-incomplete", "--nolock")


def go(workflow: Workflow) -> None:
    (workflow.folder / "go").touch()


# The engine killed with -9


def test_killed_before_the_submission_reaches_the_platform(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.answers = [("POST /jobs", 1000, Problem(503, "unavailable", "Not now."))]
    engine = workflow.start()
    engine.wait_until(lambda: any(path == "/jobs" for _, _, path in platform.requests))
    engine.kill()
    assert platform.jobs == []
    platform.answers = []
    go(workflow)
    output = workflow.start(*RESUME).succeeds()
    assert "Repeating the submission of a" in output
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_killed_after_the_submission_and_before_its_answer(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.swallow = 1000
    engine = workflow.start()
    engine.wait_until(lambda: platform.jobs)
    engine.kill()
    platform.swallow = 0
    second = workflow.start(*RESUME)
    second.wait_until(lambda: "it is adopted" in second.output)
    go(workflow)
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]
    assert len(platform.named("a")) == 1


def test_killed_while_the_job_waits(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.processes.hold_queue = True
    engine = workflow.start()
    engine.wait_until(lambda: "Submitted a as job" in engine.output)
    engine.kill()
    go(workflow)
    second = workflow.start(*RESUME)
    second.wait_until(lambda: "it is adopted" in second.output)
    with platform.processes.changed:
        platform.processes.hold_queue = False
        platform.processes.changed.notify_all()
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_killed_while_the_job_runs(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    second = workflow.start(*RESUME)
    second.wait_until(lambda: "it is adopted" in second.output)
    go(workflow)
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_killed_and_the_job_ended_before_the_next_start(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    go(workflow)
    platform.processes.wait_for(lambda: platform.named("a")[0].state == "succeeded")
    workflow.start(*RESUME).succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_killed_and_the_job_ends_while_the_next_engine_starts(workflow: Workflow, platform: StandIn) -> None:
    """The second engine has planned to run the rule when its job of the first run ends."""
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    # The second engine plans, and finds the platform away when it asks for the job by its name.
    platform.answers = [("GET /jobs", 3, Problem(503, "unavailable", "Not now."))]
    second = workflow.start(*RESUME)
    second.wait_until(lambda: len(platform.answers) == 0 or platform.answers[0][1] < 3)
    go(workflow)
    platform.processes.wait_for(lambda: platform.named("a")[0].state == "succeeded")
    output = second.succeeds()
    assert "they are taken" in output
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_a_changed_rule_replaces_its_running_job(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    workflow.write(ONCE.replace("echo a >>", "echo new >>"))
    second = workflow.start(*RESUME)
    second.wait_until(lambda: "the rule has changed" in second.output)
    second.wait_until(lambda: workflow.lines("runs.txt") == ["a", "new"])
    go(workflow)
    second.succeeds()
    assert [job.state for job in platform.named("a")] == ["cancelled", "succeeded"]


def test_a_forced_run_is_not_satisfied_by_an_earlier_job(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    go(workflow)
    platform.processes.wait_for(lambda: platform.named("a")[0].state == "succeeded")
    workflow.start(*RESUME, "--forceall").succeeds()
    assert workflow.lines("runs.txt") == ["a", "a", "b"]


def test_a_secret_that_was_renewed_between_two_starts(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.swallow = 1000
    engine = workflow.start("--envvars", "CATALOGUE", CATALOGUE="old=secret")
    engine.wait_until(lambda: platform.jobs)
    engine.kill()
    platform.swallow = 0
    # The list does not show the job at first, so that the request is repeated, with another value under the same key.
    platform.blind_lists = 1
    second = workflow.start(*RESUME, "--envvars", "CATALOGUE", CATALOGUE="new-secret")
    second.wait_until(lambda: platform.conflicts == 1)
    go(workflow)
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]
    assert len(platform.named("a")) == 1


# Ctrl-C, SIGTERM


@pytest.mark.parametrize("old", [False, pytest.param(True, marks=only_in_all)])
def test_ctrl_c_ends_what_the_engine_started(workflow: Workflow, platform: StandIn, old: bool) -> None:
    platform.old = old
    platform.processes.parallel = 2
    workflow.write(
        "rule all:\n    input: expand('{n}.txt', n=range(6))\n"
        "rule wait:\n    output: '{n}.txt'\n    shell: 'echo {wildcards.n} >> runs.txt; sleep 600'\n"
    )
    engine = workflow.start()
    engine.wait_until(lambda: len(workflow.lines("runs.txt")) == 2 and len(platform.jobs) == 6)
    engine.interrupt()
    engine.fails()
    platform.processes.wait_for(lambda: all(job.state == "cancelled" for job in platform.jobs), 20)
    cancels = [path for _, method, path in platform.requests if method == "POST" and path.endswith("/cancel")]
    assert len(cancels) == (7 if old else 1)
    # The next start is not disturbed by the cancelled jobs.
    workflow.write("rule all:\n    input: '0.txt'\nrule wait:\n    output: '{n}.txt'\n    shell: 'touch {output}'\n")
    workflow.start(*RESUME).succeeds()


def test_ctrl_c_while_a_submission_is_not_answered(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.swallow = 1000
    engine = workflow.start()
    engine.wait_until(lambda: platform.jobs)
    engine.interrupt()
    engine.fails()
    platform.processes.wait_for(lambda: platform.jobs[0].state == "cancelled", 20)


# The platform away


@pytest.mark.parametrize("phase", ["start", "submission", "run", "end"])
def test_platform_away(workflow: Workflow, platform: StandIn, phase: str) -> None:
    """For two minutes with E2E_ALL, for some seconds without."""
    seconds = 120 if os.environ.get("E2E_ALL") else 4
    workflow.write(ONCE)
    if phase == "start":
        platform.away = True
    if phase == "submission":
        platform.answers = [("POST /jobs", 1, Problem(507, "disk-full", "The disk is full."))]
    engine = workflow.start()
    if phase == "start":
        engine.wait_until(lambda: "does not serve requests now" in engine.output)
    elif phase == "submission":
        engine.wait_until(lambda: not platform.answers)
        platform.away = True
    else:
        engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
        platform.away = True
    if phase == "end":
        go(workflow)
        platform.processes.wait_for(lambda: platform.named("a")[0].state == "succeeded")
    time.sleep(seconds)
    platform.away = False
    go(workflow)
    output = engine.succeeds()
    assert output.count("does not serve requests now") == 1
    assert "answers again after" in output
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_too_many_requests_and_a_lost_answer(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    go(workflow)
    platform.answers = [("POST /jobs", 1, Problem(429, "too-many-requests", "Slower.", {"retry-after": "1"}))]
    platform.swallow = 1
    workflow.start().succeeds()
    assert platform.replays >= 1
    assert workflow.lines("runs.txt") == ["a", "b"]


# The token


def test_a_token_that_expires_loses_no_work(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    platform.tokens = {"new-token"}
    with platform.processes.changed:
        platform.processes.changed.notify_all()
    output = engine.fails()
    assert "The token has expired." in output
    assert "start Snakemake again with --rerun-incomplete" in output
    assert platform.named("a")[0].state == "running"
    second = workflow.start("--rerun-incomplete", CANFAR_TOKEN="new-token")
    second.wait_until(lambda: "it is adopted" in second.output)
    go(workflow)
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_a_saved_login_that_is_renewed_in_time(workflow: Workflow, platform: StandIn, tmp_path: Path) -> None:
    def log_in(token: str) -> None:
        folder = tmp_path / ".canfar"
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(
            json.dumps(
                {
                    "version": 2,
                    "active": {"authentication": "x", "server": "x"},
                    "authentication": {
                        "x": {"mode": "oidc", "token": {"access": token}, "expiry": {"access": 4102444800}}
                    },
                    "servers": {"x": {"idp": "x", "url": f"{platform.url}/skaha", "version": "v1", "auths": ["oidc"]}},
                }
            )
        )

    workflow.write(ONCE)
    log_in("secret-token")
    engine = workflow.start(CANFAR_TOKEN="", CANFAR_URL="", HOME=str(tmp_path))
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    platform.tokens = {"new-token"}
    engine.wait_until(lambda: "Log in again" in engine.output)
    log_in("new-token")
    go(workflow)
    assert "accepts the new token" in engine.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_a_token_without_rights_is_refused_at_the_start(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.scopes = ["read"]
    output = workflow.start().fails()
    assert "the token lacks the scope submit, manage" in output
    assert platform.jobs == []


def test_a_server_that_is_too_old(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    platform.ancient = True
    assert "use --canfar-api skaha" in workflow.start().fails()


def test_no_secret_is_written(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        "envvars: 'CATALOGUE'\n"
        "rule all:\n    input: 'a.txt'\n"
        "rule a:\n    output: 'a.txt'\n    shell: 'printf %s \"$CATALOGUE\" > {output}; exit $(test -e fail && echo 1 || echo 0)'\n"
    )
    (workflow.folder / "fail").touch()
    engine = workflow.start("--canfar-keep-logs", "all", CATALOGUE="catalogue-secret")
    output = engine.fails()
    (workflow.folder / "fail").unlink()
    output += workflow.start("--canfar-keep-logs", "all", CATALOGUE="catalogue-secret").succeeds()
    assert (workflow.folder / "a.txt").read_text() == "catalogue-secret"
    for secret in ("secret-token", "catalogue-secret"):
        assert secret not in output
        for path in (workflow.folder / ".snakemake").rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
        for job in platform.jobs:
            assert secret not in json.dumps([job.body["cmd"], job.body["args"]])
    for path in (workflow.folder / ".snakemake/canfar").rglob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# Endings


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("out-of-memory", "each retry has more"),
        pytest.param("time-limit", "runtime=", marks=only_in_all),
        pytest.param("cancelled", "cancelled", marks=only_in_all),
    ],
)
def test_the_cause_is_in_the_error(workflow: Workflow, platform: StandIn, cause: str, words: str) -> None:
    workflow.write(ONCE)
    platform.processes.fate = lambda job: cause
    output = workflow.start().fails()
    assert f"Job {platform.jobs[0].id} (a):" in output
    assert words in output
    assert len(platform.jobs) == 1


def test_retries_ask_for_more_memory(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'a.txt'\n"
        "rule a:\n    output: 'a.txt'\n    retries: 2\n    resources: mem_mb=lambda wildcards, attempt: 3000 * attempt\n"
        "    shell: 'touch {output}'\n"
    )
    platform.processes.fate = lambda job: "out-of-memory" if job.body["memoryGb"] < 6 else None
    workflow.start().succeeds()
    assert [job.body["memoryGb"] for job in platform.jobs] == [3, 6]


@pytest.mark.parametrize("cause", ["lost", pytest.param("evicted", marks=only_in_all)])
def test_a_failure_of_the_platform_costs_no_retry(workflow: Workflow, platform: StandIn, cause: str) -> None:
    workflow.write(ONCE)
    go(workflow)
    platform.processes.fate = lambda job: cause if len(platform.jobs) == 1 else None
    output = workflow.start().succeeds()
    assert "is submitted again (1 of 3)" in output
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_the_end_of_the_log_is_in_the_error(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'a.txt'\n"
        "rule a:\n    output: 'a.txt'\n    shell: 'echo Frame 7 has no WCS >&2; exit 3'\n"
    )
    output = workflow.start().fails()
    assert "  | Frame 7 has no WCS" in output
    (log,) = (workflow.folder / ".snakemake/canfar/logs/a").glob("*.log")
    assert "Frame 7 has no WCS" in log.read_text()
    assert f"canfar logs {platform.jobs[0].id}" in output


def test_an_output_is_missing_although_the_job_succeeded(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    go(workflow)
    fake = 'import sys; print("nothing to do"); sys.exit(0)'
    (workflow.folder / "python").write_text(f"#!/bin/sh\nexec python3 -c '{fake}'\n")
    (workflow.folder / "python").chmod(0o755)
    output = workflow.start("--canfar-python", str(workflow.folder / "python"), "--latency-wait", "1").fails()
    assert f"Job {platform.jobs[0].id} (a) succeeded, but not all outputs of the rule are there" in output
    assert "  | nothing to do" in output


def test_a_job_that_was_deleted(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    with platform.processes.changed:
        platform.processes.jobs.clear()
        platform.processes.changed.notify_all()
    assert "no record of the job any more" in engine.fails()
    go(workflow)


def test_what_waits_is_cancelled_on_an_error_if_asked(workflow: Workflow, platform: StandIn) -> None:
    platform.processes.parallel = 1
    workflow.write(
        "rule all:\n    input: 'bad.txt', expand('{n}.txt', n=range(3))\n"
        "rule bad:\n    output: 'bad.txt'\n    priority: 10\n    shell: 'while [ ! -e go ]; do sleep 0.1; done; exit 1'\n"
        "rule good:\n    output: '{n,[0-9]}.txt'\n    shell: 'touch {output}; sleep 600'\n"
    )
    platform.processes.hold_queue = True
    engine = workflow.start("--canfar-cancel-queued-on-error")
    engine.wait_until(lambda: len(platform.jobs) == 4)
    platform.processes.fate = lambda job: "exited" if "-bad-" in job.body["name"] else None
    with platform.processes.changed:
        # The bad one first.
        order = sorted(
            platform.processes.jobs, key=lambda one: "-bad-" not in platform.processes.jobs[one].body["name"]
        )
        platform.processes.jobs = {one: platform.processes.jobs[one] for one in order}
        bad = platform.processes.jobs[order[0]]
        platform.processes.end(bad, "failed", "exited")
    output = engine.fails()
    assert "Cancelling 3 jobs that only wait" in output


# Names, words, folders


def test_names_wildcards_and_long_commands(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'out/it\\'s \"M 31\" $HOME.txt', 'long.txt', 'many.txt'\n"
        "rule Étoile_à_neutrons_with_a_very_long_name_that_goes_on_and_on_and_on_and_on:\n"
        "    output: 'out/{target}.txt'\n"
        "    shell: 'echo x > {output:q}'\n"
        "rule long:\n    output: 'long.txt'\n    params: text='x' * 200_000\n"
        "    run:\n        open(output[0], 'w').write(params.text)\n"
        "rule part:\n    output: 'parts/{n}, .part'.replace(', ', '-')\n    shell: 'touch {output}'\n"
        "rule many:\n    input: expand('parts/{n}-.part', n=range(30))\n    output: 'many.txt'\n    group: 'g'\n"
        "    shell: 'echo {input} > {output}'\n"
    )
    workflow.start("--groups", "part=g", "--group-components", "g=1", "--config", *LONG).succeeds()
    # The command of the platform is short, and the line in the script long.
    assert all(len(word) < 1000 for job in platform.jobs for word in job.body["args"])
    assert (workflow.folder / 'out/it\'s "M 31" $HOME.txt').exists()
    assert len((workflow.folder / "long.txt").read_text()) == 200_000
    for job in platform.jobs:
        assert re.fullmatch(r"smk-[0-9a-f]{8}-[a-z0-9-]+-[0-9a-f]{10}", job.body["name"]), job.body["name"]


def test_a_wildcard_that_cannot_pass_is_refused(workflow: Workflow, platform: StandIn) -> None:
    workflow.write("rule all:\n    input: 'a,b.txt'\nrule a:\n    output: '{x}.txt'\n    shell: 'touch {output}'\n")
    output = workflow.start().fails()
    assert "the wildcard x of rule a has the value 'a,b'" in output
    assert platform.jobs == []


def test_a_folder_that_jobs_do_not_see_is_refused(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    output = workflow.start("--canfar-shared-roots", "/arc").fails()
    assert f"The working directory {workflow.folder} is in no folder that the jobs share" in output
    assert "--shared-fs-usage none" in output
    assert platform.jobs == []


def test_apptainer_is_refused(workflow: Workflow) -> None:
    workflow.write(ONCE)
    assert "--canfar-use-rule-container" in workflow.start("--sdm", "apptainer").fails()


def test_two_engines_in_one_folder_share_a_job(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(ONCE)
    first = workflow.start("--nolock")
    first.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    second = workflow.start(*RESUME, "a.txt")
    second.wait_until(lambda: "it is adopted" in second.output)
    # The job is the first engine's: the second does not cancel it.
    second.interrupt()
    second.fails()
    assert platform.named("a")[0].state == "running"
    go(workflow)
    first.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_resources_reach_the_platform(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'a.txt', 'b.txt'\n"
        "rule a:\n    output: 'a.txt'\n    threads: 3\n    container: 'docker://images.example.org/astro/a:2'\n"
        "    resources: mem='2GB', runtime='1.5h', gpu=1, gpu_model='a100', disk_mb=5000, canfar_group='survey'\n"
        "    shell: 'touch {output}'\n"
        "rule b:\n    output: 'b.txt'\n    resources: canfar_image='images.example.org/astro/b:1', canfar_by='2027-01-01T00:00:00Z'\n"
        "    shell: 'touch {output}'\n"
    )
    workflow.start("--canfar-use-rule-container", "--canfar-when", "off-peak").succeeds()
    (a,), (b,) = platform.named("a"), platform.named("b")
    shown = {
        name: a.body.get(name) for name in ("image", "cores", "memoryGb", "timeSeconds", "gpus", "gpuKind", "group")
    }
    assert shown == {
        "image": "images.example.org/astro/a:2",
        "cores": 3,
        "memoryGb": 2,
        "timeSeconds": 5520,
        "gpus": 1,
        "gpuKind": "a100",
        "group": "survey",
    }
    assert (b.body["image"], b.body["by"], b.body["when"]) == (
        "images.example.org/astro/b:1",
        "2027-01-01T00:00:00Z",
        "off-peak",
    )


def test_members_of_a_group_are_one_job(workflow: Workflow, platform: StandIn) -> None:
    workflow.write(
        ONCE.replace('output: "a.txt"', 'output: "a.txt"\n    group: "g"').replace(
            '    output: "b.txt"', '    output: "b.txt"\n    group: "g"'
        )
    )
    go(workflow)
    workflow.start().succeeds()
    assert len(platform.jobs) == 1
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_without_a_shared_file_system(
    workflow: Workflow, platform: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The files are in a storage; the sources travel in it too."""
    storage = tmp_path_factory.mktemp("storage")
    workflow.write(
        "rule all:\n    input: 'b.txt'\n"
        "rule a:\n    output: 'a.txt'\n    shell: 'echo made > {output}'\n"
        "rule b:\n    input: 'a.txt'\n    output: 'b.txt'\n    script: 'scripts/copy.py'\n"
    )
    (workflow.folder / "scripts").mkdir()
    (workflow.folder / "scripts/copy.py").write_text(
        "open(snakemake.output[0], 'w').write(open(snakemake.input[0]).read())"
    )
    workflow.start(
        *("--canfar-shared-roots", "/arc", "--shared-fs-usage", "none"),
        *("--default-storage-provider", "fs", "--default-storage-prefix", str(storage)),
        *("--config", *LONG),
    ).succeeds()
    assert all(sum(map(len, job.body["args"])) > 131_072 for job in platform.jobs)
    assert (storage / "b.txt").read_text() == "made\n"
    for job in platform.jobs:
        assert str(workflow.folder) not in json.dumps(job.body["args"])
