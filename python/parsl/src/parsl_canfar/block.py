"""The job that is a block of workers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from science_platform import JobRequest

#: The label of all blocks of a provider, and that of one block.
RUN_LABEL = "parsl-run"
BLOCK_LABEL = "parsl-block"

#: Folders of a job that are not those of the image: homes and projects, and its own scratch space.
JOB_FOLDERS = ("/arc", "/scratch", "/tmp")  # noqa: S108 the job's

CERTIFICATES = "/scratch/.parsl-certificates"
"""Where a job finds the keys of an encrypted executor."""
SERVER_KEY = "PARSL_CANFAR_SERVER_KEY"
CLIENT_KEY = "PARSL_CANFAR_CLIENT_KEY"

_CERTIFICATES_OPTION = re.compile(r"(\s--cert_dir[ =])(\S+)")
_LOGS_OPTION = re.compile(r"\s--logdir[ =](\S+)")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What each block has, and where it runs."""

    image: str
    cores: int
    memory_gb: int
    time_seconds: int
    gpus: int = 0
    gpu_kind: str | None = None
    network: Literal["isolated", "host"] | None = None
    group: str | None = None
    when: Literal["any", "off-peak"] | None = None
    working_directory: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    worker_init: str = ""


def request_of(
    sizes: Sizes, command: str, name: str, *, run: str, block: str, keys: Mapping[str, str] | None
) -> JobRequest:
    """The request for one block.

    Args:
        sizes: What the block has.
        command: What starts its workers, for bash.
        name: Parsl's name for it.
        run: The value of RUN_LABEL.
        block: The value of BLOCK_LABEL.
        keys: Variables with the keys of an encrypted executor.

    """
    return JobRequest(
        name=job_name(name),
        image=sizes.image,
        cmd="bash",
        args=["-c", script(sizes.worker_init, command, encrypted=keys is not None)],
        env={
            **sizes.environment,
            "PARSL_CORES": str(sizes.cores),
            "PARSL_MEMORY_GB": str(sizes.memory_gb),
            **(keys or {}),
        },
        labels={**sizes.labels, RUN_LABEL: run, BLOCK_LABEL: block},
        cores=sizes.cores,
        memory_gb=sizes.memory_gb,
        gpus=sizes.gpus or None,
        gpu_kind=sizes.gpu_kind,
        time_seconds=sizes.time_seconds,
        network=sizes.network,
        group=sizes.group,
        when=sizes.when,
        working_directory=sizes.working_directory,
    )


def job_name(name: str) -> str:
    """`parsl.htex.block-0` as the platform takes it: letters, digits and hyphens, at most 63."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:63].strip("-") or "parsl"


def script(worker_init: str, command: str, *, encrypted: bool) -> str:
    """The script of a block.

    The shell is process 1 of the container and would ignore SIGTERM without a trap. Its end is the end of all workers.
    """
    lines = ["trap 'exit 143' TERM"]
    if encrypted:
        lines += [
            f"(umask 077 && mkdir -p {CERTIFICATES} &&",
            # Workers read the server's public key from a file that must have a secret one too; it stays where it is.
            f'  printf \'%s\\n    secret-key = "unused"\\n\' "${SERVER_KEY}" >{CERTIFICATES}/server.key_secret &&',
            f'  printf %s "${CLIENT_KEY}" >{CERTIFICATES}/client.key_secret) || exit',
            f"unset {SERVER_KEY} {CLIENT_KEY}",
        ]
    if worker_init:
        lines.append(worker_init)
    return "\n".join([*lines, "{", command, "} &", "wait $!\n"])


def certificates_of(command: str) -> str | None:
    """The folder with the keys of an encrypted executor, on the engine's machine."""
    found = _CERTIFICATES_OPTION.search(command)
    return None if found is None or found[2] == "None" else found[2]


def with_certificates(command: str) -> str:
    """The command with the folder in which the job finds the keys."""
    return _CERTIFICATES_OPTION.sub(rf"\g<1>{CERTIFICATES}", command)


def complaint_of_logs(command: str) -> str | None:
    """Why the workers could not write their logs; None where they can."""
    found = _LOGS_OPTION.search(command)
    if found is None:
        return None
    path = PurePosixPath(found[1])
    if not path.is_absolute() or any(path.is_relative_to(folder) for folder in JOB_FOLDERS):
        return None
    return (
        f"The workers' logs would be in {path}, which jobs do not have. Give the executor worker_logdir_root='/scratch', "
        "or start the program in a folder below /arc."
    )


def seconds_of(walltime: str) -> int:
    """`HH:MM:SS` in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", walltime)
    seconds = 0 if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    if not 1 <= seconds <= 2_592_000:
        raise ValueError(f"walltime={walltime!r} must be HH:MM:SS, from 00:00:01 to 720:00:00")
    return seconds
