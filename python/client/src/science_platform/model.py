"""The objects of the API, generated from its OpenAPI document by generate.py: do not edit.

Instants are text (RFC 3339, UTC, with milliseconds), such as `2026-11-23T08:37:45.120Z`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from .record import Record

__all__ = [
    "Account",
    "AccountGroups",
    "Attempt",
    "CancelRequest",
    "CancelledJobs",
    "CancelledJobsCounts",
    "Cause",
    "CauseCode",
    "EndedJob",
    "EstimateScore",
    "Job",
    "JobArray",
    "JobEvent",
    "JobEvents",
    "JobPage",
    "JobRequest",
    "JobState",
    "Limits",
    "LimitsOffPeak",
    "QueueOverview",
    "QueueOverviewCapacity",
    "QueueOverviewFree",
    "QueueOverviewHolders",
    "QueueOverviewHoldersHolds",
    "QueueOverviewLargestFree",
    "QueueOverviewOffPeak",
    "QueueOverviewScores",
    "QueueOverviewWaiting",
    "Resources",
    "ResourcesCores",
    "ResourcesMemoryGb",
    "Submitted",
    "Usage",
    "WaitRequest",
    "Waited",
    "Why",
    "WhyAhead",
    "WhyDeadline",
    "WhyExpectedRun",
    "WhyExpectedRunSeconds",
    "WhyExpectedStart",
    "WhyPriority",
    "WhyPriorityTerms",
    "WhyReason",
    "WhyReasonFree",
    "WhyReasonLimit",
    "WhyScores",
    "WhySooner",
    "WhySoonerChange",
]

JobState: TypeAlias = Literal["held", "queued", "starting", "running", "stopping", "succeeded", "failed", "cancelled"]
CauseCode: TypeAlias = Literal[
    "exited",
    "signalled",
    "out-of-memory",
    "cancelled",
    "time-limit",
    "command-not-found",
    "image-not-found",
    "image-unauthorized",
    "image-wrong-platform",
    "image-unreachable",
    "image-invalid",
    "disk-full",
    "evicted",
    "lost",
    "start-failed",
]


@dataclass(frozen=True, kw_only=True)
class AccountGroups(Record):
    """`AccountGroups` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "name": ("name", None),
        "gid": ("gid", None),
    }

    name: str
    gid: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Account(Record):
    """`Account` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "name": ("name", None),
        "uid": ("uid", None),
        "gid": ("gid", None),
        "groups": ("groups", AccountGroups),
        "admin": ("admin", None),
        "scopes": ("scopes", None),
        "tokenExpiresAt": ("token_expires_at", None),
    }

    name: str
    uid: int
    """The user id that your jobs run as."""
    gid: int
    groups: list[AccountGroups]
    admin: bool
    """Whether this token has the rights of an administrator."""
    scopes: list[str]
    """Scopes of this token."""
    token_expires_at: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class CancelRequest(Record):
    """`CancelRequest` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "ids": ("ids", None),
        "label": ("label", None),
        "prefix": ("prefix", None),
        "owner": ("owner", None),
        "dryRun": ("dry_run", None),
    }

    ids: list[str] | None = None
    """Ids of the jobs, in any order."""
    label: str | None = None
    """KEY=VALUE: jobs with this label that have not ended. KEY: those with any value of it."""
    prefix: str | None = None
    """Jobs that have not ended and whose name begins with this, in any case of letters."""
    owner: str | None = None
    """With label or prefix: whose jobs. Only an administrator may name another user. Default: yours."""
    dry_run: bool | None = None
    """Whether to answer what would be cancelled, and cancel nothing. Default: false."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class CancelledJobsCounts(Record):
    """The lengths of the lists."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cancelled": ("cancelled", None),
        "ended": ("ended", None),
        "unknown": ("unknown", None),
    }

    cancelled: int
    ended: int
    unknown: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class CancelledJobs(Record):
    """`CancelledJobs` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cancelled": ("cancelled", None),
        "ended": ("ended", None),
        "unknown": ("unknown", None),
        "counts": ("counts", CancelledJobsCounts),
    }

    cancelled: list[str]
    """Ids of jobs that are cancelled, or stop now."""
    ended: list[str]
    """Ids of jobs that had already ended; they are unchanged."""
    unknown: list[str]
    """Ids of jobs that do not exist or belong to another user."""
    counts: CancelledJobsCounts
    """The lengths of the lists."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Cause(Record):
    """`Cause` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "code": ("code", None),
        "message": ("message", None),
        "hint": ("hint", None),
        "remarks": ("remarks", None),
    }

    code: CauseCode
    message: str
    hint: str | None = None
    remarks: list[str] | None = None
    """What else happened, such as processes that were killed for memory or that outlived the command."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Usage(Record):
    """`Usage` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cpuSeconds": ("cpu_seconds", None),
        "cores": ("cores", None),
        "memoryBytes": ("memory_bytes", None),
        "memoryPeakBytes": ("memory_peak_bytes", None),
        "residentBytes": ("resident_bytes", None),
        "residentPeakBytes": ("resident_peak_bytes", None),
        "oomKills": ("oom_kills", None),
        "readBytes": ("read_bytes", None),
        "writtenBytes": ("written_bytes", None),
    }

    cpu_seconds: float | None = None
    """CPU time of all processes, user and system."""
    cores: float | None = None
    """Cores in use: in the last sample while the job runs, the mean after its end."""
    memory_bytes: int | None = None
    """Memory in use now; absent after the end."""
    memory_peak_bytes: int | None = None
    """Peak of the memory that was charged, page cache included."""
    resident_bytes: int | None = None
    """Anonymous and shared memory now: what the kernel cannot take back, without page cache. Absent after the end."""
    resident_peak_bytes: int | None = None
    """Largest sample of anonymous and shared memory, one a second: what the job needed. Absent where it is not
    measured.
    """
    oom_kills: int | None = None
    """Processes that the kernel killed for lack of memory."""
    read_bytes: int | None = None
    """Bytes read from block devices. Absent where the kernel counted none."""
    written_bytes: int | None = None
    """Bytes written to block devices. Absent where the kernel counted none."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class EndedJob(Record):
    """`EndedJob` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "id": ("id", None),
        "name": ("name", None),
        "state": ("state", None),
        "exitCode": ("exit_code", None),
        "cause": ("cause", Cause),
        "usage": ("usage", Usage),
        "startedAt": ("started_at", None),
        "endedAt": ("ended_at", None),
    }

    id: str
    name: str
    state: Literal["succeeded", "failed", "cancelled"]
    exit_code: int | None = None
    cause: Cause | None = None
    usage: Usage | None = None
    started_at: str | None = None
    ended_at: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class ResourcesCores(Record):
    """`ResourcesCores` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "request": ("request", None),
        "limit": ("limit", None),
    }

    request: float
    limit: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class ResourcesMemoryGb(Record):
    """`ResourcesMemoryGb` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "request": ("request", None),
        "limit": ("limit", None),
    }

    request: float
    limit: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Resources(Record):
    """`Resources` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", ResourcesCores),
        "memoryGb": ("memory_gb", ResourcesMemoryGb),
        "gpus": ("gpus", None),
        "fixed": ("fixed", None),
    }

    cores: ResourcesCores
    memory_gb: ResourcesMemoryGb
    gpus: int
    fixed: bool
    """Whether the submission named the memory (wire contract 2.6)."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """`Attempt` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "number": ("number", None),
        "node": ("node", None),
        "placedAt": ("placed_at", None),
        "startedAt": ("started_at", None),
        "endedAt": ("ended_at", None),
        "exitCode": ("exit_code", None),
        "cause": ("cause", Cause),
        "usage": ("usage", Usage),
    }

    number: int
    node: str
    placed_at: str
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    cause: Cause | None = None
    usage: Usage | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class JobArray(Record):
    """`JobArray` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "id": ("id", None),
        "index": ("index", None),
        "count": ("count", None),
    }

    id: str
    index: int
    count: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Job(Record):
    """`Job` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "id": ("id", None),
        "name": ("name", None),
        "owner": ("owner", None),
        "kind": ("kind", None),
        "state": ("state", None),
        "image": ("image", None),
        "env": ("env", None),
        "resources": ("resources", Resources),
        "timeSeconds": ("time_seconds", None),
        "submittedAt": ("submitted_at", None),
        "attempts": ("attempts", Attempt),
        "reason": ("reason", None),
        "imageDigest": ("image_digest", None),
        "cmd": ("cmd", None),
        "args": ("args", None),
        "workingDirectory": ("working_directory", None),
        "labels": ("labels", None),
        "network": ("network", None),
        "jobToken": ("job_token", None),
        "signal": ("signal", None),
        "when": ("when", None),
        "after": ("after", None),
        "by": ("by", None),
        "group": ("group", None),
        "gpuKind": ("gpu_kind", None),
        "array": ("array", JobArray),
        "startedAt": ("started_at", None),
        "endedAt": ("ended_at", None),
        "deadlineAt": ("deadline_at", None),
        "exitCode": ("exit_code", None),
        "cause": ("cause", Cause),
        "usage": ("usage", Usage),
        "notBefore": ("not_before", None),
    }

    id: str
    name: str
    owner: str
    kind: Literal["headless"]
    state: JobState
    image: str
    env: dict[str, str] = field(repr=False)
    resources: Resources
    time_seconds: int
    """Time limit in seconds."""
    submitted_at: str
    attempts: list[Attempt]
    reason: str | None = None
    """Why the job waits, while it waits."""
    image_digest: str | None = None
    """The digest of the tag when the job first started."""
    cmd: list[str] | None = None
    args: list[str] | None = None
    working_directory: str | None = None
    """The folder in which the program starts. Absent: the home."""
    labels: dict[str, str] | None = None
    """Words by which you find the job again: at most 32. A key is 1 to 63 letters, digits, dots, underscores,
    slashes and hyphens; a value has at most 255 characters. They are stored and shown in clear: put no secrets
    there.
    """
    network: Literal["isolated", "none", "host"] | None = None
    job_token: list[Literal["read", "submit", "manage"]] | None = None
    """Scopes of the token of the job."""
    signal: str | None = None
    """Signal before the time limit."""
    when: Literal["off-peak"] | None = None
    after: str | None = None
    by: str | None = None
    group: str | None = None
    """The charged group."""
    gpu_kind: str | None = None
    array: JobArray | None = None
    started_at: str | None = None
    ended_at: str | None = None
    deadline_at: str | None = None
    exit_code: int | None = None
    """0 to 255; 128 + N after signal N."""
    cause: Cause | None = None
    usage: Usage | None = None
    not_before: str | None = None
    """The job was returned to the queue, since its last attempt could not run, and is not placed earlier. `reason`
    says why.
    """
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class JobEvent(Record):
    """`JobEvent` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "at": ("at", None),
        "type": ("type", None),
        "reason": ("reason", None),
        "message": ("message", None),
    }

    at: str
    type: Literal["Normal"] | Literal["Warning"]
    reason: str
    message: str
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class JobEvents(Record):
    """`JobEvents` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "events": ("events", JobEvent),
    }

    events: list[JobEvent]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class JobPage(Record):
    """`JobPage` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "jobs": ("jobs", Job),
        "next": ("next", None),
    }

    jobs: list[Job]
    next: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class JobRequest(Record):
    """`JobRequest` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "name": ("name", None),
        "image": ("image", None),
        "kind": ("kind", None),
        "cmd": ("cmd", None),
        "args": ("args", None),
        "env": ("env", None),
        "workingDirectory": ("working_directory", None),
        "labels": ("labels", None),
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
        "replicas": ("replicas", None),
        "network": ("network", None),
        "timeSeconds": ("time_seconds", None),
        "graceSeconds": ("grace_seconds", None),
        "jobToken": ("job_token", None),
        "signal": ("signal", None),
        "when": ("when", None),
        "after": ("after", None),
        "by": ("by", None),
        "group": ("group", None),
        "gpuKind": ("gpu_kind", None),
    }

    name: str
    """Letters, digits and hyphens; starts and ends with a letter or digit; stored in lower case."""
    image: str
    """The container image: host/project/name:tag, or localhost/name:tag from the local store."""
    kind: Literal["headless"] | None = None
    cmd: str | None = None
    """The program. Without args, it is split into words by the quoting rules of a shell; nothing is expanded. Left
    out: the entry point of the image.
    """
    args: str | list[str] | None = None
    """A list is taken as it is. A string is split into words by the quoting rules of a shell. Left out: the CMD of
    the image.
    """
    env: dict[str, str] | None = field(default=None, repr=False)
    """Environment variables. Values may hold any character but NUL."""
    working_directory: str | None = None
    """The folder in which the program starts: an absolute path in the container, without `..`. It must exist and
    the user must have permission to enter it, else the job ends with the cause `start-failed`; below /scratch it
    is created. Default: the home.
    """
    labels: dict[str, str] | None = None
    """Words by which you find the job again: at most 32. A key is 1 to 63 letters, digits, dots, underscores,
    slashes and hyphens; a value has at most 255 characters. They are stored and shown in clear: put no secrets
    there.
    """
    cores: int | None = None
    """Cores. Left out: flexible, 1 up to 8."""
    memory_gb: int | None = None
    """Memory in GiB. Left out: flexible, 1 up to what the context says."""
    gpus: int | None = None
    replicas: int | None = None
    """Number of jobs, all or none. Each has REPLICA_ID (from 1) and REPLICA_COUNT in its environment."""
    network: Literal["isolated", "none", "host"] | None = None
    time_seconds: int | None = None
    """Time limit in seconds. Default: 14 days."""
    grace_seconds: int | None = None
    """Seconds from SIGTERM to SIGKILL when the platform stops the job. Default: 30."""
    job_token: bool | list[Literal["read", "submit", "manage"]] | None = None
    """Whether the job has a token with the rights of its user, in CANFAR_TOKEN with CANFAR_URL, until the job ends.
    true: the scopes read, submit and manage that the token of the request has; a list: these scopes. Default:
    none.
    """
    signal: str | None = None
    """A signal (USR1, USR2, HUP, INT, TERM) and the seconds before the time limit at which it is sent, so that the
    job can save its state. Default: none.
    """
    when: Literal["any", "off-peak"] | None = None
    """off-peak: start only in the off-peak hours. Default: any."""
    after: str | None = None
    """Earliest start: RFC 3339 with a zone, at most 366 days ahead."""
    by: str | None = None
    """Wanted end: RFC 3339 with a zone. It is not a promise; `GET /api/v1/jobs/ID/why` shows whether it can be met."""
    group: str | None = None
    """The group to charge, one of yours. Left out: your only group; none if you have several."""
    gpu_kind: str | None = None
    """Kind of GPU, with gpus. Left out: any."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewCapacity(Record):
    """`QueueOverviewCapacity` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
    }

    cores: float
    memory_gb: float
    gpus: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewFree(Record):
    """Allocated to no job."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
    }

    cores: float
    memory_gb: float
    gpus: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewLargestFree(Record):
    """`QueueOverviewLargestFree` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
    }

    cores: float
    memory_gb: float
    gpus: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewWaiting(Record):
    """`QueueOverviewWaiting` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "small": ("small", None),
        "normal": ("normal", None),
        "large": ("large", None),
    }

    small: int
    normal: int
    large: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewHoldersHolds(Record):
    """`QueueOverviewHoldersHolds` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
        "running": ("running", None),
        "queued": ("queued", None),
    }

    cores: float
    memory_gb: float
    gpus: float
    running: int
    queued: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class LimitsOffPeak(Record):
    """Limits of the off-peak hours, which replace single fields."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
        "running": ("running", None),
    }

    cores: float | None = None
    """Cores allocated at once."""
    memory_gb: float | None = None
    """GiB of memory allocated at once."""
    gpus: int | None = None
    """GPUs allocated at once."""
    running: int | None = None
    """Starting, running and stopping jobs at once."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Limits(Record):
    """`Limits` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
        "running": ("running", None),
        "queued": ("queued", None),
        "offPeak": ("off_peak", LimitsOffPeak),
    }

    cores: float | None = None
    """Cores allocated at once."""
    memory_gb: float | None = None
    """GiB of memory allocated at once."""
    gpus: int | None = None
    """GPUs allocated at once."""
    running: int | None = None
    """Starting, running and stopping jobs at once."""
    queued: int | None = None
    """Waiting jobs."""
    off_peak: LimitsOffPeak | None = None
    """Limits of the off-peak hours, which replace single fields."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewHolders(Record):
    """`QueueOverviewHolders` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "kind": ("kind", None),
        "name": ("name", None),
        "holds": ("holds", QueueOverviewHoldersHolds),
        "limits": ("limits", Limits),
        "coreHours": ("core_hours", None),
    }

    kind: Literal["user", "group"]
    name: str
    holds: QueueOverviewHoldersHolds
    limits: Limits
    core_hours: float
    """Charged core-hours, decayed."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class EstimateScore(Record):
    """`EstimateScore` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "told": ("told", None),
        "inside": ("inside", None),
        "early": ("early", None),
        "late": ("late", None),
    }

    told: int
    """Estimates with a known outcome."""
    inside: int
    """Outcomes between the estimated 10 and 90 % quantiles: 8 of 10 should be."""
    early: int
    late: int
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewScores(Record):
    """Of starts and of run times."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "start": ("start", EstimateScore),
        "run": ("run", EstimateScore),
    }

    start: EstimateScore
    run: EstimateScore
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverviewOffPeak(Record):
    """Absent without off-peak hours."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "isNow": ("is_now", None),
        "timezone": ("timezone", None),
        "changesAt": ("changes_at", None),
    }

    is_now: bool
    timezone: str
    """IANA time zone of the off-peak hours."""
    changes_at: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class QueueOverview(Record):
    """`QueueOverview` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "nodes": ("nodes", None),
        "capacity": ("capacity", QueueOverviewCapacity),
        "free": ("free", QueueOverviewFree),
        "largestFree": ("largest_free", QueueOverviewLargestFree),
        "running": ("running", None),
        "waiting": ("waiting", QueueOverviewWaiting),
        "holders": ("holders", QueueOverviewHolders),
        "scores": ("scores", QueueOverviewScores),
        "offPeak": ("off_peak", QueueOverviewOffPeak),
    }

    nodes: int
    capacity: QueueOverviewCapacity
    free: QueueOverviewFree
    """Allocated to no job."""
    largest_free: list[QueueOverviewLargestFree]
    """Free capacity on one node: the node with the most free cores, and nodes with more free memory or GPUs. A job
    must fit on one node.
    """
    running: int
    """Starting, running and stopping jobs."""
    waiting: QueueOverviewWaiting
    holders: list[QueueOverviewHolders]
    """The caller and the caller's groups."""
    scores: QueueOverviewScores
    """Of starts and of run times."""
    off_peak: QueueOverviewOffPeak | None = None
    """Absent without off-peak hours."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Submitted(Record):
    """`Submitted` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "ids": ("ids", None),
    }

    ids: list[str]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Waited(Record):
    """`Waited` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "ended": ("ended", EndedJob),
        "unknown": ("unknown", None),
    }

    ended: list[EndedJob]
    unknown: list[str]
    """Ids of jobs that do not exist or belong to another user."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WaitRequest(Record):
    """`WaitRequest` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "ids": ("ids", None),
        "timeout": ("timeout", None),
    }

    ids: list[str]
    """Ids of the jobs, in any order."""
    timeout: float | None = None
    """Seconds."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhySoonerChange(Record):
    """`WhySoonerChange` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
        "timeSeconds": ("time_seconds", None),
        "when": ("when", None),
        "after": ("after", None),
    }

    cores: float | None = None
    memory_gb: float | None = None
    gpus: float | None = None
    time_seconds: float | None = None
    when: Literal["any"] | None = None
    after: None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhySooner(Record):
    """`WhySooner` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "change": ("change", WhySoonerChange),
        "startsNow": ("starts_now", None),
        "message": ("message", None),
    }

    change: WhySoonerChange
    starts_now: bool
    message: str
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyScores(Record):
    """Of starts and of run times."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "start": ("start", EstimateScore),
        "run": ("run", EstimateScore),
    }

    start: EstimateScore
    run: EstimateScore
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyReasonLimit(Record):
    """`WhyReasonLimit` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "holder": ("holder", None),
        "name": ("name", None),
        "on": ("on", None),
        "limit": ("limit", None),
        "held": ("held", None),
        "asks": ("asks", None),
        "kept": ("kept", None),
    }

    holder: Literal["user", "group"]
    name: str
    on: Literal["cores", "memoryGb", "gpus", "running"]
    limit: float
    held: float
    asks: float
    kept: float | None = None
    """Reserved for jobs of the same holder that are ahead."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyReasonFree(Record):
    """The most free capacity on one node that could run the job."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
    }

    cores: float
    memory_gb: float
    gpus: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyReason(Record):
    """Why the job waits, for programs."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "kind": ("kind", None),
        "until": ("until", None),
        "cause": ("cause", Cause),
        "givenUpAt": ("given_up_at", None),
        "limit": ("limit", WhyReasonLimit),
        "free": ("free", WhyReasonFree),
    }

    kind: Literal["held", "turn", "not-before", "window", "limit", "no-node", "reservation", "resources", "backfill"]
    until: str | None = None
    """When the reason is expected to end."""
    cause: Cause | None = None
    given_up_at: str | None = None
    """With `cause`: the job fails with the first attempt from then on that cannot run."""
    limit: WhyReasonLimit | None = None
    free: WhyReasonFree | None = None
    """The most free capacity on one node that could run the job."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyAhead(Record):
    """Jobs that start before this job, and the sum of their requests."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "jobs": ("jobs", None),
        "cores": ("cores", None),
        "memoryGb": ("memory_gb", None),
        "gpus": ("gpus", None),
    }

    jobs: int
    cores: float
    memory_gb: float
    gpus: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyPriorityTerms(Record):
    """`WhyPriorityTerms` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "name": ("name", None),
        "points": ("points", None),
        "meaning": ("meaning", None),
    }

    name: Literal["class", "age", "groupShare", "userShare", "deadline"]
    points: float
    meaning: str
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyPriority(Record):
    """Priority in points. One point is worth an hour of waiting."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "class": ("class_", None),
        "total": ("total", None),
        "terms": ("terms", WhyPriorityTerms),
    }

    class_: Literal["small", "normal", "large"]
    total: float
    terms: list[WhyPriorityTerms]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyExpectedStart(Record):
    """Quantiles: one of ten such starts comes before p10, five before p50 and nine before p90."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "p10": ("p10", None),
        "p50": ("p50", None),
        "p90": ("p90", None),
    }

    p10: str
    p50: str
    p90: str
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyExpectedRunSeconds(Record):
    """`WhyExpectedRunSeconds` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "p10": ("p10", None),
        "p50": ("p50", None),
        "p90": ("p90", None),
    }

    p10: float
    p50: float
    p90: float
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyExpectedRun(Record):
    """From runs of the same user, image and command. Absent with too few runs."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "seconds": ("seconds", WhyExpectedRunSeconds),
        "runs": ("runs", None),
        "memoryPeakBytes": ("memory_peak_bytes", None),
    }

    seconds: WhyExpectedRunSeconds
    runs: int
    """Number of runs with the same fingerprint that the estimate is from."""
    memory_peak_bytes: int | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class WhyDeadline(Record):
    """`WhyDeadline` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "by": ("by", None),
        "outlook": ("outlook", None),
    }

    by: str
    outlook: Literal["likely", "even", "unlikely", "unknown"]
    """Whether the job is expected to end in time."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""


@dataclass(frozen=True, kw_only=True)
class Why(Record):
    """`Why` of the API."""

    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {
        "id": ("id", None),
        "state": ("state", None),
        "summary": ("summary", None),
        "sooner": ("sooner", WhySooner),
        "scores": ("scores", WhyScores),
        "reason": ("reason", WhyReason),
        "ahead": ("ahead", WhyAhead),
        "waiting": ("waiting", None),
        "priority": ("priority", WhyPriority),
        "expectedStart": ("expected_start", WhyExpectedStart),
        "expectedRun": ("expected_run", WhyExpectedRun),
        "deadline": ("deadline", WhyDeadline),
    }

    id: str
    state: JobState
    summary: str
    """Why the job waits, or why it does not wait, in a sentence or two."""
    sooner: list[WhySooner]
    """Changes that would start the job now, if it were cancelled and submitted again. Each was tried with the
    planner.
    """
    scores: WhyScores
    """Of starts and of run times."""
    reason: WhyReason | None = None
    """Why the job waits, for programs."""
    ahead: WhyAhead | None = None
    """Jobs that start before this job, and the sum of their requests."""
    waiting: int | None = None
    """All waiting jobs."""
    priority: WhyPriority | None = None
    """Priority in points. One point is worth an hour of waiting."""
    expected_start: WhyExpectedStart | None = None
    """Quantiles: one of ten such starts comes before p10, five before p50 and nine before p90."""
    expected_run: WhyExpectedRun | None = None
    """From runs of the same user, image and command. Absent with too few runs."""
    deadline: WhyDeadline | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields that this version of the client does not know."""
