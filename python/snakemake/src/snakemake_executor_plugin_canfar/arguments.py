"""The arguments of the Snakemake that runs inside a job, quoted for a shell.

Snakemake quotes them as Python text, which a shell reads differently as soon as a value has a quote or a backslash.
"""

from collections.abc import Sequence

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args, format_cli_arg

from .command import quoted, target_jobs
from .request import whole


def requote(line: str, job: JobExecutorInterface, unneeded: Sequence[object]) -> str:
    """Replaces the targets and the unneeded temporary files of the line.

    Raises ValueError for a wildcard that cannot pass.
    """
    spec = job.get_target_spec()
    pairs = [(one.rulename, dict(one.wildcards_dict)) for one in spec]
    line = line.replace(format_cli_arg("--target-jobs", encode_target_jobs_cli_args(spec)), target_jobs(pairs), 1)
    if unneeded:
        line = line.replace(
            format_cli_arg("--unneeded-temp-files", unneeded), quoted("--unneeded-temp-files", unneeded), 1
        )
    return line


def group_memory(job: JobExecutorInterface) -> str:
    """The memory of a group, by which Snakemake in its job starts no more members at a time than fit."""
    memory = whole(job.resources, "mem_mb") if job.is_group() else None
    return f"--resources mem_mb={memory}" if memory else ""
