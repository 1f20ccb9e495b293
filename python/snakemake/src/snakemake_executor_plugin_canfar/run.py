"""A Snakemake job on its way through the platform."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .backend import Request
from .journal import Record


@dataclass(frozen=True)
class Outcome:
    """What is reported to Snakemake. `message` is None after success."""

    message: str | None
    logs: tuple[str, ...] = ()


@dataclass(eq=False)
class Run:
    """A job of the workflow that this engine runs."""

    key: str
    """What the job is, the same in every run of the workflow."""
    label: str
    """The name of its rule or group."""
    wildcards: Mapping[str, str]
    request: Request
    """The submission without its name and its command."""
    line: str
    """The shell line that the job runs."""
    inputs: str | None
    """Its input files, one a line, where they are too many for the line."""
    digest: str
    """A hash of what the job does."""
    wanted_for_outputs: bool
    """Whether the workflow wants the job only because outputs are missing or incomplete."""
    made: Callable[[], bool]
    """Whether all outputs are there."""
    marked_incomplete: Callable[[], bool]
    """Whether an output is marked as incomplete."""
    arrived: Callable[[str, bool], None]
    """Called with the id when the platform has the job, and whether an earlier engine had submitted it."""

    record: Record | None = None
    id: str | None = None
    shared: bool = False
    """Whether another engine that still runs has submitted the job: it is not this one's to cancel."""
    infrastructure_retries: int = 0
    outcome: Outcome | None = None
    """Set at the end, once all is known that is reported."""
    log: bytes = field(default=b"", repr=False)
    log_path: str | None = None
