"""The engine on a backend of the test."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from snakemake_executor_plugin_canfar import engine as engines
from snakemake_executor_plugin_canfar.backend import Ending, Found, Refused, Request
from snakemake_executor_plugin_canfar.engine import Engine, Options
from snakemake_executor_plugin_canfar.journal import Journal, Record, recorded
from snakemake_executor_plugin_canfar.outage import Outage
from snakemake_executor_plugin_canfar.run import Run


class Platform:
    """A backend whose jobs never end by themselves."""

    holds_waits = False
    tells_causes = True
    runs_lines = True
    key_seconds = 82_800.0

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.submitted: list[Request] = []
        self.ended: list[Ending] = []
        self.refused_images = {"images.example.org/old:1"}
        self.why = ""

    def check(self) -> None:
        pass

    def submit(self, request: Request, key: str) -> str:
        if request.image in self.refused_images:
            raise Refused("no such registry")
        self.submitted.append(request)
        return f"j{len(self.submitted):07d}"

    def wait_any(self, ids: Sequence[str], seconds: float) -> list[Ending]:
        self.stop.wait(0.02)
        return [one for one in self.ended if one.id in ids]

    def cancel(self, ids: Sequence[str]) -> None:
        pass

    def log_tail(self, identifier: str, size: int) -> bytes:
        return b""

    def find_by_name(self, prefix: str) -> list[Found]:
        return []

    def why_waiting(self, prefix: str) -> str | None:
        return self.why or None

    def close(self) -> None:
        pass


class Fixture:
    """An engine with what it says."""

    def __init__(self, folder: Path) -> None:
        self.stop = threading.Event()
        self.said: list[str] = []
        self.changed = threading.Condition()
        self.platform = Platform(self.stop)
        self.journal = Journal(folder)
        outage = Outage(
            "https://x", renewable_token=False, info=self.say, warn=self.say, stop=self.stop, give_up=self.say
        )
        options = Options(
            folder="/arc/w",
            identity="/arc/w",
            prelude="",
            infrastructure_retries=3,
            log_bytes=1000,
            keep_all_logs=False,
        )
        self.engine = Engine(
            self.platform,
            self.journal,
            outage,
            options,
            stop=self.stop,
            info=self.say,
            error=self.say,
            ready=lambda: self.say("ready"),
        )

    def say(self, words: str) -> None:
        with self.changed:
            self.said.append(words)
            self.changed.notify_all()

    def wait_for(self, words: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: any(words in one for one in self.said), 30), self.said

    def run(self, image: str = "images.example.org/new:1") -> Run:
        """A job of the workflow."""
        return Run(
            key="k",
            label="rule",
            wildcards={},
            request=Request("", image, (), {}, 1, 1),
            line="true",
            inputs=None,
            digest="d",
            wanted_for_outputs=True,
            made=lambda: False,
            marked_incomplete=lambda: False,
            arrived=lambda identifier, adopted: self.say(f"arrived {identifier} {adopted}"),
        )


@pytest.fixture
def fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    monkeypatch.setattr(engines, "EXPLAIN_SECONDS", 0.02)
    monkeypatch.setattr(engines, "RETRY_PAUSE", 0.02)
    return Fixture(tmp_path)


def test_the_reason_for_waiting_is_told_once_and_when_it_changes(fixture: Fixture) -> None:
    fixture.platform.why = "All nodes are full."
    fixture.engine.start(fixture.run())
    fixture.wait_for("Jobs of this workflow wait: All nodes are full.")
    fixture.platform.why = "The limit of the group is reached."
    fixture.wait_for("The limit of the group is reached.")
    fixture.engine.close()
    assert sum("All nodes are full." in one for one in fixture.said) == 1


def test_a_refused_request_of_an_earlier_run_is_replaced(fixture: Fixture) -> None:
    old = Request("smk-old", "images.example.org/old:1", ("sh", "x"), {}, 1, 1)
    fixture.journal.write("k", Record("key", "smk-old", "d", "gone", 1e12, request=recorded(old)))
    fixture.engine.start(fixture.run())
    fixture.wait_for("arrived j0000001 False")
    fixture.engine.close()
    assert [one.image for one in fixture.platform.submitted] == ["images.example.org/new:1"]


def test_a_job_is_given_up_after_the_retries_of_the_platform(fixture: Fixture) -> None:
    fixture.platform.ended = [
        Ending(f"j{number:07d}", "failed", code="lost", message="The node is gone.") for number in range(1, 10)
    ]
    run = fixture.run()
    fixture.engine.start(run)
    fixture.wait_for("ready")
    fixture.engine.close()
    assert len(fixture.platform.submitted) == 4
    assert run.outcome is not None
    assert "The node is gone." in (run.outcome.message or "")


def test_an_unexpected_error_ends_the_run_instead_of_waiting_forever(fixture: Fixture) -> None:
    run = fixture.run()

    def fail(identifier: str, adopted: bool) -> None:
        raise KeyError("surprise")

    run.arrived = fail
    fixture.engine.start(run)
    fixture.wait_for("ready")
    fixture.engine.close()
    assert run.outcome is not None
    assert "surprise" in (run.outcome.message or "")


def test_files_of_the_journal_are_for_the_owner_alone(fixture: Fixture) -> None:
    fixture.engine.start(fixture.run())
    fixture.wait_for("arrived")
    fixture.engine.close()
    for path in (fixture.journal.folder / "jobs").glob("*.[js]*"):
        assert path.stat().st_mode & 0o077 == 0, path
