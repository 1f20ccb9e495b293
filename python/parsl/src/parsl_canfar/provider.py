"""The provider: submits, watches and cancels the jobs that are Parsl's blocks."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.launchers.base import Launcher
from parsl.providers.base import ExecutionProvider
from parsl.providers.errors import SubmitException
from parsl.utils import RepresentationMixin
from science_platform import ClientError, EndedJob, JobRequest, Jobs, UnreachableError

from .block import (
    BLOCK_LABEL,
    CLIENT_KEY,
    RUN_LABEL,
    SERVER_KEY,
    Sizes,
    certificates_of,
    complaint_of_logs,
    request_of,
    seconds_of,
    with_certificates,
)
from .network import complaint_of_addresses
from .outcome import LIVE_STATES, WAITING, Outcome, outcome_of_ended, outcome_of_live, outcome_of_unknown

#: Below Parsl's own, so that it writes to parsl.log.
logger = logging.getLogger("parsl.canfar")

#: Jobs of one request: the server takes no more.
_IDS_PER_REQUEST = 1_000
_LOG_BYTES = 4_096


class Refused(SubmitException):
    """A block that cannot be submitted. `str()` gives the reason alone."""

    def __init__(self, job_name: str, reason: str) -> None:
        """Takes Parsl's name of the block, and why and what to do."""
        super().__init__(job_name, reason)  # type: ignore[no-untyped-call]
        self.reason = reason

    def __str__(self) -> str:
        """The reason and what to do."""
        return self.reason


class CanfarProvider(ExecutionProvider, RepresentationMixin):
    """Blocks of workers as batch jobs of a science platform. A block is one job on one node.

    Address and token are those of the client: CANFAR_URL and CANFAR_TOKEN, else the active login of `~/.canfar/config.yaml`.

    A server that is away ends no block: its last state stays, and a submission that was not answered is repeated at each status
    request under the same key, so that it makes one job.
    """

    cores_per_node: int
    mem_per_node: float

    def __init__(
        self,
        image: str,
        *,
        cores_per_node: int = 1,
        mem_per_node: float = 4,
        walltime: str = "24:00:00",
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1,
        worker_init: str = "",
        environment: Mapping[str, str] | None = None,
        gpus: int = 0,
        gpu_kind: str | None = None,
        network: Literal["isolated", "host"] | None = None,
        group: str | None = None,
        when: Literal["any", "off-peak"] | None = None,
        working_directory: str | None = None,
        labels: Mapping[str, str] | None = None,
        launcher: Launcher | None = None,
        status_polling_interval: int = 5,
        label: str = "canfar",
    ) -> None:
        """Submits nothing yet. Raises ValueError for a size that no job can have.

        Args:
            image: An image with bash, Parsl of the engine's version, and Python of the engine's minor version.
            cores_per_node: Cores of each block, also in PARSL_CORES.
            mem_per_node: Memory of each block in whole GiB, also in PARSL_MEMORY_GB.
            walltime: The time limit of each block, HH:MM:SS.
            init_blocks: Blocks at the start.
            min_blocks: Fewest blocks.
            max_blocks: Most blocks.
            parallelism: Parsl's ratio of task slots to tasks.
            worker_init: Lines of bash before the workers start.
            environment: Variables of the job.
            gpus: GPUs of each block.
            gpu_kind: The kind of GPU. None: any.
            network: The network of the job. None: the platform's default.
            group: The group to charge. None: the platform's default.
            when: `off-peak`: start only in those hours.
            working_directory: Where the workers start. None: the home.
            labels: Labels of the jobs, at most 30, beside `parsl-run` and `parsl-block`.
            launcher: Wraps the command. None: it runs once.
            status_polling_interval: Seconds between two status requests.
            label: The name of this provider.

        """
        if not 1 <= cores_per_node <= 256:
            raise ValueError(f"cores_per_node={cores_per_node} must be 1 to 256")
        if mem_per_node != int(mem_per_node) or not 1 <= mem_per_node <= 512:
            raise ValueError(f"mem_per_node={mem_per_node} must be whole GiB, 1 to 512")
        if network not in (None, "isolated", "host"):
            raise ValueError(
                f"network={network!r} must be 'isolated', 'host' or None: workers connect to the interchange"
            )
        self.image = image
        self.cores_per_node = cores_per_node
        self.mem_per_node = mem_per_node
        self.walltime = walltime
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.nodes_per_block = 1
        self.parallelism = parallelism
        self.worker_init = worker_init
        #: The names alone: Parsl writes its configuration to its log.
        self.environment = sorted(environment or {})
        self.gpus = gpus
        self.gpu_kind = gpu_kind
        self.network = network
        self.group = group
        self.when = when
        self.working_directory = working_directory
        self.labels = dict(labels or {})
        self.launcher = launcher or SimpleLauncher()
        self.script_dir: str | None = None
        self.resources: dict[object, Any] = {}
        #: The value of the label `parsl-run` of all blocks of this provider.
        self.run = uuid.uuid4().hex[:12]
        self._label = label
        self._interval = status_polling_interval
        self._sizes = Sizes(
            image=image,
            cores=cores_per_node,
            memory_gb=int(mem_per_node),
            time_seconds=seconds_of(walltime),
            gpus=gpus,
            gpu_kind=gpu_kind,
            network=network,
            group=group,
            when=when,
            working_directory=working_directory,
            labels=self.labels,
            environment=dict(environment or {}),
            worker_init=worker_init,
        )
        self._jobs = Jobs()
        self._outcomes: dict[str, Outcome] = {}
        #: Submissions without an answer, by their keys, which are Parsl's ids of these blocks.
        self._unanswered: dict[str, JobRequest] = {}
        #: Ids of the jobs of blocks whose first submission was not answered, by their keys.
        self._late: dict[str, str] = {}
        self._away = False
        # Parsl calls from its poller's thread, and from the main thread at the end.
        self._lock = threading.RLock()

    @property
    def label(self) -> str:
        """The name of this provider."""
        return self._label

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two status requests."""
        return self._interval

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> str:
        """Submits one block and returns the id of its job, or a key where the platform did not answer.

        Raises SubmitException where the platform refuses, or where the workers could never connect.
        """
        with self._lock:
            complaint = complaint_of_addresses(command, self.network) or complaint_of_logs(command)
            if complaint:
                raise Refused(job_name, complaint)
            key = str(uuid.uuid4())
            request = self._request(command, tasks_per_node, job_name, key)
            if not self._outcomes:
                logger.info(
                    "The blocks have the label %s=%s: `%s` ends them", RUN_LABEL, self.run, self._cancel_command
                )
            try:
                id = self._jobs.submit(request, key=key).ids[0]
            except UnreachableError as error:
                self._report_away(error)
                self._unanswered[key] = request
                id = key
            except ClientError as error:
                raise Refused(job_name, str(error)) from error
            self._outcomes[id] = WAITING
            return id

    def status(self, job_ids: Sequence[object]) -> list[JobStatus]:
        """The states of blocks. One request for all of them, and a second one when some have ended."""
        with self._lock:
            try:
                self._submit_unanswered()
                self._refresh()
            except ClientError as error:
                self._report_away(error)
            else:
                self._away = False
            return [self._outcomes.get(str(id), outcome_of_unknown(str(id))).status() for id in job_ids]

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        """Cancels blocks in one request; False for those that may run on."""
        with self._lock:
            gone = {str(id): self._cancel_unanswered(str(id)) for id in job_ids if str(id) in self._unanswered}
            ids = {str(id): self._late.get(str(id), str(id)) for id in job_ids if str(id) not in gone}
            if ids:
                try:
                    answer = self._jobs.cancel_many([*ids.values()])
                except ClientError as error:
                    self._report_left(error)
                    gone.update(dict.fromkeys(ids, False))
                else:
                    done = {*answer.cancelled, *answer.ended}
                    gone.update({handle: id in done for handle, id in ids.items()})
            return [gone[str(id)] for id in job_ids]

    def _request(self, command: str, tasks_per_node: int, name: str, key: str) -> JobRequest:
        folder = certificates_of(command)
        keys = None
        if folder is not None:
            command = with_certificates(command)
            keys = {
                SERVER_KEY: Path(folder, "server.key").read_text(),
                CLIENT_KEY: Path(folder, "client.key_secret").read_text(),
            }
        launched = self.launcher(command, tasks_per_node, self.nodes_per_block)
        return request_of(self._sizes, launched, name, run=self.run, block=key, keys=keys)

    def _submit_unanswered(self) -> None:
        for key, request in [*self._unanswered.items()]:
            try:
                self._late[key] = self._jobs.submit(request, key=key).ids[0]
            except UnreachableError:
                raise
            except ClientError as error:
                self._outcomes[key] = Outcome(JobState.FAILED, f"The platform refused the block: {error}")
            del self._unanswered[key]

    def _refresh(self) -> None:
        open_ids = {
            self._late.get(handle, handle): handle
            for handle, outcome in self._outcomes.items()
            if not outcome.ended and handle not in self._unanswered
        }
        if not open_ids:
            return
        label = f"{RUN_LABEL}={self.run}"
        for job in self._jobs.list_all(label=label, state=LIVE_STATES, fields=["id", "state"]):
            handle = open_ids.pop(job.id, None)
            if handle is not None:
                self._outcomes[handle] = outcome_of_live(job.state)
        rest = [*open_ids]
        for start in range(0, len(rest), _IDS_PER_REQUEST):
            waited = self._jobs.wait_any(rest[start : start + _IDS_PER_REQUEST], seconds=0)
            for one in waited.ended:
                self._outcomes[open_ids[one.id]] = outcome_of_ended(one, self._log_end(one))
            for id in waited.unknown:
                self._outcomes[open_ids[id]] = outcome_of_unknown(id)

    def _log_end(self, job: EndedJob) -> bytes:
        if job.state == "cancelled":
            return b""
        try:
            return self._jobs.log_end(job.id, _LOG_BYTES)
        except UnreachableError:
            raise
        except ClientError:
            # There is a cause to tell without it.
            return b""

    def _cancel_unanswered(self, key: str) -> bool:
        """Ends the job of a submission without an answer, if there is one: the platform may have it."""
        try:
            self._jobs.cancel_many(label=f"{BLOCK_LABEL}={key}")
        except ClientError as error:
            self._report_left(error)
            return False
        del self._unanswered[key]
        self._outcomes[key] = Outcome(JobState.CANCELLED)
        return True

    def _report_away(self, error: ClientError) -> None:
        if not self._away:
            logger.warning("The platform does not tell the states of blocks, and is asked again: %s", error)
        self._away = True

    def _report_left(self, error: ClientError) -> None:
        logger.error("Blocks may run on: %s Cancel them with `%s`", error, self._cancel_command)

    @property
    def _cancel_command(self) -> str:
        return f"canfar cancel --label {RUN_LABEL}={self.run}"
