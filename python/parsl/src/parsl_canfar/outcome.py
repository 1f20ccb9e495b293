"""What Parsl is told of a job. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from parsl.jobs.states import JobState, JobStatus
from science_platform import EndedJob

_LIVE = {
    "held": JobState.HELD,
    "queued": JobState.PENDING,
    "starting": JobState.PENDING,
    "running": JobState.RUNNING,
    "stopping": JobState.RUNNING,
}
LIVE_STATES = tuple(_LIVE)
"""States of jobs that have not ended."""


@dataclass(frozen=True)
class Outcome:
    """What is known of a block."""

    state: JobState
    message: str | None = None
    exit_code: int | None = None

    def status(self) -> JobStatus:
        """A new object: the HighThroughputExecutor changes those that it is given."""
        return JobStatus(self.state, message=self.message, exit_code=self.exit_code)

    @property
    def ended(self) -> bool:
        """Whether it stays so."""
        return self.status().terminal


WAITING = Outcome(JobState.PENDING)


def outcome_of_live(state: str) -> Outcome:
    """The outcome of a job that has not ended."""
    return Outcome(_LIVE.get(state, JobState.UNKNOWN))


def outcome_of_ended(job: EndedJob, log: bytes) -> Outcome:
    """The outcome of an ended job.

    A block that reached its time limit is TIMEOUT, which Parsl expects of pilots: FAILED blocks are counted, and end the run.
    """
    cause = job.cause
    if job.state == "succeeded":
        state = JobState.COMPLETED
    elif job.state == "cancelled":
        state = JobState.CANCELLED
    elif cause is not None and cause.code == "time-limit":
        state = JobState.TIMEOUT
    else:
        state = JobState.FAILED
    words = [f"Job {job.id} {job.state}."]
    if cause is not None:
        words += [cause.message, cause.hint or "", *(cause.remarks or [])]
    lines = [" ".join(word.strip() for word in words if word), *_tail(log), f"Log: canfar logs {job.id}"]
    return Outcome(state, "\n".join(lines), job.exit_code)


def outcome_of_unknown(id: str) -> Outcome:
    """The outcome of a job that the platform has no record of."""
    return Outcome(JobState.FAILED, f"The platform has no record of job {id} any more.")


def _tail(log: bytes, count: int = 20) -> list[str]:
    lines = log.decode("utf-8", "replace").splitlines()[-count:]
    shown = ["  | " + "".join(char for char in line if char.isprintable() or char == "\t") for line in lines]
    return ["The end of its log:", *shown] if shown else []
