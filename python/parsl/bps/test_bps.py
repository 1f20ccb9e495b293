"""Real BPS with its plugin for Parsl: a workflow whose site is a science platform."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lsst.ctrl.bps import BpsConfig, GenericWorkflow, GenericWorkflowExec, GenericWorkflowJob
from lsst.ctrl.bps.parsl.service import ParslService
from lsst.ctrl.bps.parsl.site import SiteConfig
from parsl_canfar.bps import Canfar
from science_platform_testing import IMAGE, Platform

SITE = {
    "class": "parsl_canfar.bps.Canfar",
    "image": IMAGE,
    "cores_per_node": 2,
    "mem_per_node": 2,
    "walltime": "00:10:00",
    "network": "host",
    "address": "127.0.0.1",
}


def configuration(folder: Path, **site: Any) -> BpsConfig:
    return BpsConfig(
        {
            "submitPath": str(folder),
            "operator": "ada",
            "project": "survey",
            "campaign": "night",
            "computeSite": "canfar",
            "site": {"canfar": {**SITE, "run_dir": str(folder / "runinfo"), **site}},
        }
    )


def workflow(*commands: tuple[str, int | None]) -> GenericWorkflow:
    """Jobs that run one after the other, each with the memory in MB that it requests."""
    made = GenericWorkflow("night")
    before = None
    for number, (command, memory) in enumerate(commands):
        job = GenericWorkflowJob(f"step{number}", label="step", request_memory=memory)
        job.executable = GenericWorkflowExec("sh", "/bin/sh")
        job.arguments = f"-c '{command}'"
        made.add_job(job, parent_names=before)
        before = [job.name]
    return made


def run(config: BpsConfig, generic: GenericWorkflow) -> None:
    service = ParslService(config)
    service.submit(service.prepare(config, generic, config["submitPath"]))


def content(platform: Platform, file: str) -> list[str]:
    """The lines of a file as a job sees it."""
    lines: list[str] = []
    with platform.jobs() as jobs:
        jobs.run({"name": "look", "image": IMAGE, "cmd": "cat", "args": [file]}, on_log=lines.append)
    return lines


def test_a_workflow(platform: Platform, tmp_path: Path) -> None:
    steps = [(f"echo {word} >>/arc/home/ada/order", None) for word in ("calibrate", "detect", "merge")]
    run(configuration(tmp_path), workflow(*steps))
    assert content(platform, "/arc/home/ada/order") == ["calibrate", "detect", "merge"]
    with platform.jobs() as jobs:
        (block,) = jobs.list(label="bps-workflow=survey.night", name="parsl-canfar-block").jobs
        (ended,) = jobs.wait(block.id)
    assert ended.state == "cancelled"


def test_jobs_with_much_memory_have_blocks_of_their_own(platform: Platform, tmp_path: Path) -> None:
    steps = [("echo $PARSL_MEMORY_GB >>/arc/home/ada/memory", memory) for memory in (500, 2500)]
    run(configuration(tmp_path, large_mem_per_node=3, campaign="large"), workflow(*steps))
    assert content(platform, "/arc/home/ada/memory") == ["2", "3"]


@pytest.mark.usefixtures("platform")
def test_the_executor_of_a_job(tmp_path: Path) -> None:
    site = SiteConfig.from_config(configuration(tmp_path, large_mem_per_node=4))
    assert isinstance(site, Canfar)

    def job(megabytes: int | None) -> Any:
        return SimpleNamespace(name="deblend", generic=SimpleNamespace(request_memory=megabytes))

    assert [site.select_executor(job(one)) for one in (None, 1024, 1025, 4096)] == [
        "canfar",
        "canfar",
        "canfar-large",
        "canfar-large",
    ]
    with pytest.raises(RuntimeError, match="deblend requests 5 GiB"):
        site.select_executor(job(5 * 1024))


@pytest.mark.usefixtures("platform")
def test_a_site_without_an_image_is_refused(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    del config[".site.canfar.image"]
    with pytest.raises(KeyError, match="image"):
        SiteConfig.from_config(config).get_executors()


@pytest.mark.usefixtures("platform")
def test_memory_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mem_per_node=much"):
        SiteConfig.from_config(configuration(tmp_path, mem_per_node="much")).get_executors()
