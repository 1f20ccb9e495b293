"""What the user is told of a job that failed. Pure."""

from .backend import Ending

INFRASTRUCTURE = frozenset({"evicted", "lost", "start-failed", "image-unreachable", "disk-full"})
"""Causes for which neither the rule nor its sizes are to blame: such jobs are submitted again."""

_ADVICE = {
    "out-of-memory": "With `mem_mb=lambda wildcards, attempt: 4000 * attempt` and --retries, each retry has more.",
    "time-limit": "With `runtime=lambda wildcards, attempt: 60 * attempt` and --retries, each retry has more.",
}


def cause_of(ending: Ending) -> str:
    """How a job ended, in a sentence or two."""
    if ending.state == "gone":
        return "The platform has no record of the job any more, and its outputs are missing or incomplete."
    if ending.message is None:
        if ending.state == "cancelled":
            return "The job was cancelled."
        return "The job failed; this platform does not tell why. The end of its log may."
    parts = [ending.message, ending.hint, *ending.remarks]
    if ending.code == "out-of-memory" and ending.memory_peak_bytes:
        parts.append(f"It used {ending.memory_peak_bytes / 2**30:.1f} GiB at most.")
    elif ending.oom_kills and not ending.remarks:
        parts.append(f"The kernel killed {ending.oom_kills} of its processes for lack of memory.")
    parts.append(_ADVICE.get(ending.code or ""))
    return " ".join(part.strip() for part in parts if part)


def last_lines(log: bytes, count: int = 20) -> list[str]:
    """The last lines of a log, without control characters and without a first line that was cut."""
    lines = log.decode("utf-8", "replace").splitlines()[-count:]
    return ["".join(char for char in line if char.isprintable() or char == "\t") for line in lines]


def message(ending: Ending, name: str, log: bytes, path: str | None, *, tells_causes: bool) -> str:
    """The error of a job: cause, hint, the end of the log, and where the whole log is."""
    lines = [f"Job {ending.id} ({name}): {cause_of(ending)}"]
    tail = last_lines(log)
    if tail:
        lines.append("The end of its log:")
        lines += [f"  | {line}" for line in tail]
    where = [path] if path else []
    if tells_causes:
        where.append(f"`canfar logs {ending.id}`")
    if where:
        lines.append(f"Log: {', or '.join(where)}")
    return "\n".join(lines) + "\n"


def missing_output(identifier: str, name: str, log: bytes, path: str | None) -> str:
    """The error of a job that succeeded without making its outputs."""
    lines = [
        f"Job {identifier} ({name}) succeeded, but not all outputs of the rule are there (see above). "
        "Does the rule write to another folder, or to a file system that only the job sees, such as /scratch?"
    ]
    tail = last_lines(log)
    if tail:
        lines.append("The end of its log:")
        lines += [f"  | {line}" for line in tail]
    if path:
        lines.append(f"Log: {path}")
    return "\n".join(lines)
