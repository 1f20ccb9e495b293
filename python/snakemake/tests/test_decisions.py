"""The pure parts: sizes, names, commands, recovery, messages."""

import subprocess
from typing import Any

import pytest
from snakemake_executor_plugin_canfar import command, failure, names, recovery, request, roots, skaha_backend
from snakemake_executor_plugin_canfar.backend import Ending, Found, Refused, Request, State
from snakemake_executor_plugin_canfar.journal import Record
from snakemake_executor_plugin_canfar.outage import pause_after


class TBDString(str):
    """What Snakemake gives for a resource that has no value yet."""


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {"cores": 1, "memory_gb": 1, "gpus": 0, "time_seconds": None}),
        ({"mem_mb": 2000, "mem_mib": 1908}, {"memory_gb": 2}),
        ({"mem_mb": 1074}, {"memory_gb": 2}),
        ({"mem_mib": 1025}, {"memory_gb": 2}),
        ({"runtime": 90}, {"time_seconds": 5520}),
        ({"gpu": 2, "gpus": 1}, {"gpus": 2}),
        ({"gpus": 1}, {"gpus": 1}),
        ({"mem_mib": TBDString("<TBD>"), "runtime": TBDString("<TBD>")}, {"memory_gb": 1, "time_seconds": None}),
    ],
)
def test_sizes(resources: dict[str, Any], expected: dict[str, Any]) -> None:
    found = request.sizes(resources, 0, 120)
    assert {name: found[name] for name in expected} == expected


def test_a_size_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="the resource runtime is a number, not 'long'"):
        request.sizes({"runtime": "long"}, 1, 0)


def test_options_of_the_rule_go_before_those_of_the_run() -> None:
    resources = {"canfar_group": "survey", "gpu_model": "a100", "disk_mb": 1000, "canfar_when": ""}
    assert request.options(resources, {"group": "other", "when": "off-peak", "network": None}) == {
        "group": "survey",
        "gpuKind": "a100",
        "when": "off-peak",
    }


def test_the_rules_of_a_group_have_one_image() -> None:
    with pytest.raises(ValueError, match="different containers"):
        request.image_of({}, ["docker://a/b:1", "docker://a/c:1"], use_containers=True, default=None)
    assert request.image_of({}, ["docker://a/b:1", None], use_containers=True, default="d") == "a/b:1"
    assert request.image_of({}, ["docker://a/b:1"], use_containers=False, default="d") == "d"
    with pytest.raises(ValueError, match="no image"):
        request.image_of({}, [], use_containers=True, default=None)


@pytest.mark.parametrize("rule", ["a", "Étoile_à_neutrons", "星", "x" * 100, "a_-_b"])
def test_names_of_jobs(rule: str) -> None:
    name = names.job_name("/arc/projects/x", rule, "1F0C9A2B-aaaa-4bbb-8ccc-000000000000")
    assert len(name) <= 63
    assert name.startswith(names.name_prefix("/arc/projects/x"))
    assert name.endswith("-1f0c9a2baa")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert "--" not in name


def test_a_job_has_the_same_key_in_every_run() -> None:
    first = names.job_key([("a", {"x": "1", "y": "2"}), ("b", {})])
    assert first == names.job_key([("b", {}), ("a", {"y": "2", "x": "1"})])
    assert first != names.job_key([("b", {}), ("a", {"y": "2", "x": "2"})])


def test_a_digest_has_no_addresses() -> None:
    assert names.digest([object(), {"b", "a"}]) == names.digest([object(), {"a", "b"}])


@pytest.mark.parametrize("size", [10, 119_000, 130_000, 900_000])
def test_a_line_of_any_length_reaches_the_shell(size: int) -> None:
    text = ('it\'s "5" $HOME é\\n; ' * (size // 20))[:size]
    line = f"printf %s {__import__('shlex').quote(text)}"
    words = command.line_words(line)
    assert max(len(word.encode()) for word in words) < 131_072
    # The words of a process may be 2 MB together, but the printf within the shell has no limit.
    assert subprocess.run(words, capture_output=True, check=True).stdout.decode() == text


def test_a_script_stops_without_its_folder() -> None:
    done = subprocess.run(["sh", "-c", command.script("/no/such folder", "echo ran")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")


def test_shared_roots(tmp_path: Any) -> None:
    real = tmp_path / "disk"
    (real / "projects").mkdir(parents=True)
    link = tmp_path / "arc"
    link.symlink_to(real)
    parsed = roots.parse_roots(f"{link}=/arc, /home")
    assert roots.path_in_jobs(str(link / "projects/x"), parsed) == "/arc/projects/x"
    assert roots.path_in_jobs(str(real / "projects/x"), parsed) == "/arc/projects/x"
    assert roots.path_in_jobs(str(tmp_path / "arc2"), parsed) is None
    assert roots.line_in_jobs(f"cat '{real}/a' {real}2/b", parsed) == f"cat '/arc/a' {real}2/b"
    with pytest.raises(ValueError, match="absolute"):
        roots.parse_roots("arc")


def record(identifier: str | None = "a1234567", digest: str = "d", sent_at: float = 0) -> Record:
    return Record(key="k", name="smk-x", digest=digest, engine="e", sent_at=sent_at, id=identifier)


def job(state: State) -> Found:
    return Found("a1234567", "smk-x", state)


@pytest.mark.parametrize(
    ("known", "found", "made", "step"),
    [
        (None, [], False, "submit"),
        (record(None), [], False, "repeat"),
        (record(None, digest="other"), [], False, "submit"),
        (record(None, sent_at=-100_000), [], False, "submit"),
        (record(None), [job("running")], False, "adopt"),
        (record(), [job("waiting")], True, "adopt"),
        (record(digest="other"), [job("running")], False, "replace"),
        (record(), [job("stopping")], False, "await-end"),
        (record(), [job("succeeded")], True, "take"),
        (record(), [job("succeeded")], False, "submit"),
        (record(digest="other"), [job("succeeded")], True, "submit"),
        (record(), [job("failed")], True, "submit"),
        (record(), [job("cancelled")], False, "submit"),
        (record(), [], True, "take"),
        (record(), [], False, "submit"),
        (record(), [job("cancelled"), job("running")], False, "adopt"),
    ],
)
def test_recovery(known: Record | None, found: list[Found], made: bool, step: str) -> None:
    assert recovery.plan(known, found, digest="d", outputs_made=made, key_seconds=82_800, now=10).step == step


def test_the_message_of_a_failure() -> None:
    ending = Ending(
        "a1234567",
        "failed",
        code="out-of-memory",
        message="The kernel killed the command.",
        hint="Ask for more memory.",
        memory_peak_bytes=2**31,
    )
    text = failure.message(ending, "extract", b"cut\nlast \x1b[31mline\n", "logs/x.log", tells_causes=True)
    assert "Job a1234567 (extract): The kernel killed the command. Ask for more memory. It used 2.0 GiB" in text
    assert "  | last [31mline" in text
    assert "Log: logs/x.log, or `canfar logs a1234567`" in text


def test_processes_that_were_killed_for_memory_are_told_with_any_ending() -> None:
    ending = Ending("a1234567", "failed", code="exited", message="Exit code 1.", oom_kills=2)
    assert "killed 2 of its processes for lack of memory" in failure.cause_of(ending)


def test_an_absence_of_two_minutes_costs_eight_requests() -> None:
    pauses = [pause_after(number) for number in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pause_after(1, 20) == 20
    assert pause_after(1, 3600) == 60


def skaha_request(**more: Any) -> Request:
    fields: dict[str, Any] = {
        "name": "smk-x",
        "image": "i",
        "words": ("sh", "/arc/a.sh"),
        "env": {},
        "cores": 1,
        "memory_gb": 1,
    }
    return Request(**{**fields, **more})


def test_what_the_skaha_interface_cannot_carry() -> None:
    with pytest.raises(Refused, match="blank or another character"):
        skaha_backend.parameters(skaha_request(words=("sh", "/arc/my folder/a.sh")))
    with pytest.raises(Refused, match="no group"):
        skaha_backend.parameters(skaha_request(options={"group": "survey"}))


def test_variables_that_the_skaha_interface_changes_are_encoded() -> None:
    items = skaha_backend.environment({"A": "plain value", "B": "x=y", "C": "", "D": '"'})
    assert items[0] == "A=plain value"
    assert all(item.startswith("CANFAR_HEX_") and item.count("=") == 1 and item[-1] != "=" for item in items[1:])
