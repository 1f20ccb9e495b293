"""What to do with a job that an earlier engine has submitted. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .backend import Found
from .journal import Record

Step = Literal["submit", "repeat", "adopt", "take", "await-end", "replace"]


@dataclass(frozen=True)
class Plan:
    """The next step, with the job that it is about.

    submit: as a new job. repeat: the request of the record, under its key. adopt: watch the job. take: its work is
    done. await-end: it is being stopped; plan again after its end. replace: cancel it first; the rule has changed.
    """

    step: Step
    id: str | None = None


def plan(
    record: Record | None,
    found: Sequence[Found],
    *,
    digest: str,
    outputs_made: bool,
    key_seconds: float,
    now: float,
) -> Plan:
    """Compares the record with the jobs of its name.

    `outputs_made`: Snakemake wants this job only because outputs were missing or incomplete, and now they are there.
    """
    if record is None:
        return Plan("submit")
    jobs = {job.state: job for job in found}
    for state in ("running", "waiting"):
        if job := jobs.get(state):
            return Plan("adopt" if record.digest == digest else "replace", job.id)
    if job := jobs.get("stopping"):
        return Plan("await-end", job.id)
    if job := jobs.get("succeeded"):
        return Plan("take", job.id) if outputs_made and record.digest == digest else Plan("submit")
    if jobs.keys() & {"failed", "cancelled"}:
        return Plan("submit")
    if record.id is not None:
        # The platform has forgotten the job: its outputs are what is left of it.
        return Plan("take", record.id) if outputs_made and record.digest == digest else Plan("submit")
    if record.digest == digest and now - record.sent_at < key_seconds:
        return Plan("repeat")
    return Plan("submit")
