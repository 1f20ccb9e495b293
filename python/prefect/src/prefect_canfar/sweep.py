"""What becomes of a run and its job when both are looked at together.

A worker may have died, a job may have waited for days, and the server tells workers little: so every worker looks at all runs of its
pool again and again. Every act may be done twice.
"""

from __future__ import annotations

from enum import Enum

from prefect.client.schemas.objects import StateType

#: States of jobs that wait.
WAITS = frozenset({"held", "queued"})


class Situation(Enum):
    """A run together with its job. The value is the number of seconds that it must last before something is done."""

    def __init__(self, label: str, seconds: float) -> None:
        """Takes a name, which tells equal numbers apart."""
        self.label = label
        self.seconds = seconds

    #: It waits for its turn: renew its lease, and tell why it waits.
    WAITS = ("waits", 0)
    #: Its job failed, was cancelled or is gone, and the run does not know it: Crashed.
    LOST = ("lost", 30)
    #: Its job ended well, and the run has no final state: Crashed.
    UNFINISHED = ("unfinished", 60)
    #: It is to be cancelled and has not started: cancel the job, Cancelled.
    CANCEL_WAITING = ("cancel-waiting", 0)
    #: It is to be cancelled and runs: after the grace period of its configuration, cancel the job.
    CANCEL_RUNNING = ("cancel-running", 0)
    #: It is to be cancelled, and its job has ended: Cancelled.
    CANCEL_ENDED = ("cancel-ended", 0)
    #: A worker died before it noted the job: look for the job by its name; without one, Scheduled.
    WITHOUT_JOB = ("without-job", 300)
    #: The same while it is to be cancelled: Cancelled.
    CANCEL_WITHOUT_JOB = ("cancel-without-job", 60)


def situation(run: StateType | None, job: str | None, *, known: bool) -> Situation | None:
    """The situation of a run, or None where nothing is to be done.

    Args:
        run: The type of the run's state.
        job: The state of its job; None where the platform has no such job.
        known: Whether the run has the id of a job.

    """
    if run not in {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}:
        return None
    cancelling = run == StateType.CANCELLING
    if not known:
        if cancelling:
            return Situation.CANCEL_WITHOUT_JOB
        return Situation.WITHOUT_JOB if run == StateType.PENDING else None
    if cancelling:
        if job in WAITS:
            return Situation.CANCEL_WAITING
        return Situation.CANCEL_ENDED if job in {None, "succeeded", "failed", "cancelled"} else Situation.CANCEL_RUNNING
    if job in WAITS:
        return Situation.WAITS if run == StateType.PENDING else None
    if job == "succeeded":
        return Situation.UNFINISHED
    return Situation.LOST if job in {None, "failed", "cancelled"} else None
