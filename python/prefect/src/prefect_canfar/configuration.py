"""What a work pool, a deployment or a run may set, and the job that comes of it."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.slugify import slugify
from prefect.workers.base import BaseJobConfiguration, BaseVariables
from pydantic import Field, SecretStr

#: Settings of the worker's own machine, which are wrong or secret in a job.
_OWN_SETTINGS = re.compile(r"PREFECT_(SERVER_|WORKER_|HOME$|PROFILES_PATH$|MEMO_STORE_PATH$|LOCAL_STORAGE_PATH$|TEST)")


class CanfarCredentials(Block):
    """A login on a science platform."""

    _block_type_name = "CANFAR Credentials"
    _block_type_slug = "canfar-credentials"

    url: str = Field(description="The server: its root, …/skaha/v1 or …/api/v1.")
    token: SecretStr = Field(description="A token with the scopes read, submit and manage.")


class CanfarVariables(BaseVariables):
    """What a work pool, a deployment or a run may set."""

    image: str = Field(description="The image of the job. It holds Prefect 3 of about the worker's version.")
    cores: int = Field(default=1, ge=1, le=256, description="Cores.")
    memory_gb: int = Field(default=4, ge=1, le=512, description="Memory in GiB.")
    gpus: int = Field(default=0, ge=0, le=28, description="GPUs.")
    gpu_kind: str | None = Field(default=None, description="Kind of GPU, with gpus. Left out: any.")
    time_seconds: int | None = Field(
        default=None, ge=1, le=2_592_000, description="Time limit in seconds. Left out: 14 days."
    )
    grace_seconds: int = Field(default=30, ge=0, le=3600, description="Seconds from SIGTERM to SIGKILL.")
    network: Literal["isolated", "none", "host"] | None = Field(
        default=None, description="Network of the job. Left out: the platform's default."
    )
    group: str | None = Field(default=None, description="The group to charge, one of yours.")
    when: Literal["any", "off-peak"] | None = Field(default=None, description="off-peak: start only in those hours.")
    job_token: bool = Field(default=False, description="Whether the job has a token of the platform, to submit jobs.")
    use_entrypoint: bool = Field(
        default=False, description="Whether the image's entry point runs the command. Left out: it is replaced."
    )
    credentials: CanfarCredentials | None = Field(
        default=None, description="The login to submit with. Left out: that of the worker."
    )
    cancelling_grace_seconds: int = Field(
        default=60, ge=0, description="Seconds for a running flow to end itself when it is cancelled."
    )


class CanfarJobConfiguration(BaseJobConfiguration):
    """The resolved values for one run."""

    image: str
    cores: int = 1
    memory_gb: int = 4
    gpus: int = 0
    gpu_kind: str | None = None
    time_seconds: int | None = None
    grace_seconds: int = 30
    network: Literal["isolated", "none", "host"] | None = None
    group: str | None = None
    when: Literal["any", "off-peak"] | None = None
    job_token: bool = False
    use_entrypoint: bool = False
    credentials: CanfarCredentials | None = None
    cancelling_grace_seconds: int = 60

    @classmethod
    def _base_environment(cls) -> dict[str, str]:
        settings = super()._base_environment()
        return {name: value for name, value in settings.items() if not _OWN_SETTINGS.match(name)}

    def request(self, flow_run: FlowRun) -> dict[str, Any]:
        """The job of a run, with the names of the API. Raises ValueError where it could never reach the Prefect server."""
        variables = {name: value for name, value in self.env.items() if value is not None}
        complain_of_loopback(variables.get("PREFECT_API_URL", ""), self.network)
        words = shlex.split(self.command or "prefect flow-run execute")
        command: dict[str, Any] = {"args": words} if self.use_entrypoint else {"cmd": words[0], "args": words[1:]}
        wanted = {
            "name": job_name(flow_run.id, flow_run.name),
            "image": self.image,
            **command,
            "env": variables,
            "labels": job_labels(self.labels),
            "cores": self.cores,
            "memoryGb": self.memory_gb,
            "gpus": self.gpus or None,
            "gpuKind": self.gpu_kind,
            "timeSeconds": self.time_seconds,
            "graceSeconds": self.grace_seconds,
            "network": self.network,
            "group": self.group,
            "when": self.when,
            "jobToken": self.job_token or None,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def name_prefix(flow_run_id: UUID) -> str:
    """The beginning of the names of all jobs of a run."""
    return f"pf-{flow_run_id}"


def job_name(flow_run_id: UUID, name: str) -> str:
    """`pf-UUID-name`, at most 63 characters."""
    slug: str = slugify(name)
    return f"{name_prefix(flow_run_id)}-{slug}"[:63].rstrip("-")


def job_labels(labels: dict[str, str]) -> dict[str, str]:
    """The labels that the platform takes: at most 32, keys up to 63 and values up to 255 characters."""
    fitting = [(key, value[:255]) for key, value in labels.items() if re.fullmatch(r"[A-Za-z0-9._/-]{1,63}", key)]
    return dict(fitting[:32])


def complain_of_loopback(api_url: str, network: str | None) -> None:
    """Raises ValueError for a Prefect server that a job cannot reach."""
    host = urlsplit(api_url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    if not api_url:
        raise ValueError("PREFECT_API_URL is not set, so that the flow could not report to a Prefect server.")
    if loopback and network != "host":
        raise ValueError(
            f"PREFECT_API_URL is {api_url}, which is this machine and not the one of the Prefect server in a job. "
            "Set it to an address that jobs reach, for the worker or in the job variable env."
        )
