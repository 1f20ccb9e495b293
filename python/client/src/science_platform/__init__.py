"""Client for the batch jobs of a science platform."""

from .async_jobs import AsyncJobs
from .errors import ClientError, JobFailed, NotLoggedInError, ProblemError, UnreachableError, WaitStopped
from .jobs import Jobs
from .model import (
    Account,
    Attempt,
    CancelledJobs,
    Cause,
    EndedJob,
    Job,
    JobEvent,
    JobPage,
    JobRequest,
    QueueOverview,
    Submitted,
    Usage,
    Waited,
    Why,
)

__all__ = [
    "Account",
    "AsyncJobs",
    "Attempt",
    "CancelledJobs",
    "Cause",
    "ClientError",
    "EndedJob",
    "Job",
    "JobEvent",
    "JobFailed",
    "JobPage",
    "JobRequest",
    "Jobs",
    "NotLoggedInError",
    "ProblemError",
    "QueueOverview",
    "Submitted",
    "UnreachableError",
    "Usage",
    "WaitStopped",
    "Waited",
    "Why",
]
