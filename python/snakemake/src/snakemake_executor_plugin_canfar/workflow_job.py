"""What the plugin reads of a Snakemake job."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from . import names

# Snakemake's classes of jobs have more than the interface, and no types.
Job = Any


def members(job: JobExecutorInterface) -> list[Job]:
    """The jobs of a group in a stable order, or the job itself."""
    whole: Job = job
    if not job.is_group():
        return [whole]
    return sorted(whole.jobs, key=lambda one: (one.rule.name, sorted(one.wildcards_dict.items())))


def targets(job: JobExecutorInterface) -> list[tuple[str, dict[str, str]]]:
    """Rules with their wildcards."""
    return [(one.rule.name, dict(one.wildcards_dict)) for one in members(job)]


def digest(job: JobExecutorInterface, image: str) -> str:
    """A hash of what the job does: code, parameters, inputs and image. Sizes do not count: retries change them."""
    return names.digest([image, *(_parts(one) for one in members(job))])


def _parts(job: Job) -> list[Any]:
    rule = job.rule
    return [
        rule.name,
        dict(job.wildcards_dict),
        rule.shellcmd or rule.run_func_src,
        *(_content(job, source) for source in (rule.script, rule.notebook) if source),
        rule.wrapper,
        sorted(map(str, job.input)),
        [[name, value] for name, value in job.params.items()],
        list(job.params),
    ]


def _content(job: Job, source: str) -> str:
    path = job._path_to_source_file(source).get_path_or_uri(secret_free=True)
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return str(path)


def wanted_for_outputs(job: JobExecutorInterface) -> bool:
    """Whether Snakemake runs the job only because outputs are missing or incomplete."""
    return all(_only_missing(one.dag.reason(one)) for one in members(job) if one.output)


def _only_missing(reason: Any) -> bool:
    return not (
        reason.forced
        or reason.updated_input
        or reason.updated_input_run
        or reason.code_changed
        or reason.input_changed
        or reason.params_changed
        or reason.software_stack_changed
    )


def made(job: JobExecutorInterface) -> bool:
    """Whether all outputs that outlive the job are there."""
    files = list(_lasting(job))
    return bool(files) and all(os.path.exists(file) for file in files)


def marked_incomplete(job: JobExecutorInterface) -> bool:
    """Whether an output is still marked as incomplete: the job's own Snakemake takes the mark away when it succeeds."""
    persistence = members(job)[0].dag.workflow.persistence
    return any(asyncio.run(persistence.incomplete(one)) for one in members(job))


def _lasting(job: JobExecutorInterface) -> Iterator[str]:
    whole: Job = job
    for file in whole.output:
        flags = getattr(file, "flags", {})
        if not ({"temp", "pipe", "service", "nodelocal"} & {name for name, value in flags.items() if value}):
            yield str(file)
