"""Workflows on a platform that has the skaha interface alone, such as CANFAR."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import snakemake.common.tests
from skaha_standin import SkahaStandIn
from snakemake_executor_plugin_canfar import ExecutorSettings
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase
from workflow import Workflow, only_in_all

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
RESUME = ("--rerun-incomplete", "--nolock")


@pytest.fixture
def skaha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SkahaStandIn]:
    server = SkahaStandIn(tmp_path_factory.mktemp("skaha"))
    yield server
    server.close()


@pytest.fixture
def workflow(tmp_path: Path, skaha: SkahaStandIn) -> Iterator[Workflow]:
    made = Workflow(tmp_path, skaha.url)
    yield made
    made.close()


@only_in_all
class TestWorkflows(snakemake.common.tests.TestWorkflowsLocalStorageBase):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _platform(self, skaha: SkahaStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("CANFAR_URL", skaha.url)
        monkeypatch.setenv("CANFAR_TOKEN", "secret-token")
        yield
        assert {job.state for job in skaha.jobs} == {"succeeded"}

    def get_executor(self) -> str:
        return "canfar"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings(shared_roots="/")


def go(workflow: Workflow) -> None:
    (workflow.folder / "go").touch()


def test_the_interface_is_found_by_itself_and_a_lost_answer_submits_nothing_twice(
    workflow: Workflow, skaha: SkahaStandIn
) -> None:
    workflow.write(ONCE)
    go(workflow)
    skaha.swallow = 1
    workflow.start().succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]
    assert skaha.submissions == 2


@pytest.mark.parametrize("lost", [True, False])
def test_a_killed_engine_adopts_its_job(workflow: Workflow, skaha: SkahaStandIn, lost: bool) -> None:
    workflow.write(ONCE)
    skaha.swallow = 1000 if lost else 0
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    skaha.swallow = 0
    second = workflow.start(*RESUME)
    second.wait_until(lambda: "it is adopted" in second.output)
    go(workflow)
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a", "b"]


def test_a_job_that_ended_and_was_forgotten_while_no_engine_ran(workflow: Workflow, skaha: SkahaStandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.kill()
    go(workflow)
    skaha.processes.wait_for(lambda: skaha.jobs[0].state == "succeeded")
    skaha.keep_seconds = 0
    second = workflow.start(*RESUME, "a.txt")
    second.succeeds()
    assert workflow.lines("runs.txt") == ["a"]


@pytest.mark.parametrize("made", [True, False])
def test_the_outputs_tell_the_end_of_a_job_without_a_record(
    workflow: Workflow, skaha: SkahaStandIn, made: bool
) -> None:
    """The platform is away for longer than it keeps records: only the files say how the job ended."""
    workflow.write(ONCE)
    engine = workflow.start("a.txt")
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    skaha.away = True
    if made:
        go(workflow)
        skaha.processes.wait_for(lambda: skaha.jobs[0].state == "succeeded")
    else:
        skaha.processes.end(skaha.jobs[0], "failed", "lost")
    skaha.keep_seconds = 0
    engine.wait_until(lambda: "does not serve requests now" in engine.output)
    skaha.away = False
    if made:
        engine.succeeds()
    else:
        assert "no record of the job any more" in engine.fails()


def test_the_log_is_fetched_at_the_end(workflow: Workflow, skaha: SkahaStandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'a.txt'\nrule a:\n    output: 'a.txt'\n    shell: 'echo no WCS in frame 7 >&2; exit 3'\n"
    )
    output = workflow.start().fails()
    assert "this platform does not tell why" in output
    assert "  | no WCS in frame 7" in output
    assert "canfar logs" not in output


def test_logs_of_good_jobs_are_kept_if_asked(workflow: Workflow, skaha: SkahaStandIn) -> None:
    workflow.write(
        "rule all:\n    input: 'a.txt'\nrule a:\n    output: 'a.txt'\n    shell: 'echo seen; touch {output}'\n"
    )
    workflow.start("--canfar-keep-logs", "all").succeeds()
    (log,) = (workflow.folder / ".snakemake/canfar/logs/a").glob("*.log")
    assert "seen" in log.read_text()


def test_values_of_variables_arrive_unchanged(workflow: Workflow, skaha: SkahaStandIn) -> None:
    values = {"PLAIN": "a b", "QUERY": "x=1&y=2", "EMPTY": "", "ODD": 'it\'s "$HOME"\n\\é', "SPACES": "  two  "}
    names = ", ".join(map(repr, values))
    workflow.write(
        f"envvars: {names}\nrule all:\n    input: 'env.json'\nrule a:\n    output: 'env.json'\n"
        "    run:\n        import json, os\n"
        f"        json.dump({{name: os.environ[name] for name in [{names}]}}, open(output[0], 'w'))\n"
    )
    workflow.start(**values).succeeds()
    assert json.loads((workflow.folder / "env.json").read_text()) == values


def test_ctrl_c_deletes_the_sessions(workflow: Workflow, skaha: SkahaStandIn) -> None:
    workflow.write(ONCE)
    engine = workflow.start()
    engine.wait_until(lambda: workflow.lines("runs.txt") == ["a"])
    engine.interrupt()
    engine.fails()
    assert skaha.deleted == [skaha.jobs[0].id]


def test_a_rejected_submission_ends_after_some_tries(workflow: Workflow, skaha: SkahaStandIn) -> None:
    workflow.write(ONCE)
    skaha.reject = 1000
    output = workflow.start().fails()
    assert "unexpected exception" in output
    assert skaha.submissions == 5


def test_what_the_interface_cannot_carry_is_refused(tmp_path: Path, skaha: SkahaStandIn) -> None:
    folder = tmp_path / "with blank"
    folder.mkdir()
    workflow = Workflow(folder, skaha.url)
    workflow.write(ONCE)
    assert "Rename the workflow's folder" in workflow.start().fails()
    workflow = Workflow(tmp_path, skaha.url)
    workflow.write(ONCE)
    assert "the platform has no group" in workflow.start("--canfar-group", "survey").fails()
    assert skaha.jobs == []
