"""Folders that the engine and its jobs share, and the paths they have in the jobs."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Root:
    """A shared folder: its path here, with links resolved, and its path in the jobs."""

    here: str
    there: str


def parse_roots(text: str) -> tuple[Root, ...]:
    """Reads `/arc,/mnt/projects=/arc/projects`. Links in the path of this side are resolved.

    Raises ValueError for a path that is not absolute.
    """
    roots = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        here, _, there = item.partition("=")
        there = there or here
        for path in (here, there):
            if not path.startswith("/"):
                raise ValueError(f"a shared root is an absolute path, not {path!r}")
        roots.append(Root(os.path.realpath(here), os.path.normpath(there)))
    return tuple(roots)


def path_in_jobs(path: str, roots: tuple[Root, ...]) -> str | None:
    """The path that a file has in the jobs, or None if it is below no shared root."""
    real = os.path.realpath(path)
    for root in sorted(roots, key=lambda one: -len(one.here)):
        if real == root.here or real.startswith(root.here.rstrip("/") + "/"):
            return os.path.normpath(root.there + "/" + real[len(root.here) :].lstrip("/"))
    return None


def line_in_jobs(line: str, roots: tuple[Root, ...]) -> str:
    """A shell line with the paths of this side replaced by those of the jobs."""
    for root in sorted(roots, key=lambda one: -len(one.here)):
        if root.here != root.there and root.here != "/":
            line = line.replace(root.here.rstrip("/") + "/", root.there.rstrip("/") + "/")
    return line


def outside(what: str, path: str, roots: tuple[Root, ...]) -> str:
    """The refusal of a file that the jobs do not see, with the ways out."""
    shared = ", ".join(root.here for root in roots) or "none"
    return (
        f"The {what} {path} is in no folder that the jobs share (--canfar-shared-roots: {shared}). "
        "Run the workflow in such a folder, for example below /arc/projects/NAME; where /arc is mounted at another "
        "path, set --canfar-shared-roots PATH=/arc. Or keep the files in a storage that the jobs reach: "
        "--shared-fs-usage none --default-storage-provider s3 --default-storage-prefix s3://BUCKET."
    )
