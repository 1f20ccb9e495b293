"""What the engine has submitted, in `.snakemake/canfar`, so that a killed engine finds its jobs again.

A record is written before the request that submits its job. It holds no value of an environment variable, since such
values may be secrets. Files have mode 0600, replace each other atomically, and are synced.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from .backend import Request

RECORD_SECONDS = 30 * 86_400
"""Age after which a record is removed: no job runs longer than 30 days."""


@dataclass(frozen=True)
class Record:
    """One submission of a job. `id` is None until the platform has answered."""

    key: str
    name: str
    digest: str
    engine: str
    sent_at: float
    outputs: tuple[str, ...] = ()
    request: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    attempt: int = 1

    def with_environment(self, env: Mapping[str, str]) -> Request:
        """The request as it was sent, with values of today for the environment."""
        names = self.request["env"]
        fields = {
            **self.request,
            "words": tuple(self.request["words"]),
            "env": {name: env.get(name, "") for name in names},
        }
        return Request(**fields)


def recorded(request: Request) -> dict[str, Any]:
    """A request without the values of its environment."""
    return {**asdict(request), "env": sorted(request.env)}


def _write(path: Path, data: bytes) -> None:
    """Replaces a file with mode 0600; it is on disk when this returns."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(file: IO[str]) -> None:
    """Waits for the lock of a file. File systems without locks, such as Lustre without `flock`, go without."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise


class Journal:
    """The records and scripts of a workflow's folder. Safe for threads, and for several engines in one folder."""

    def __init__(self, folder: Path) -> None:
        """Makes the folders and registers this engine. `folder` is `.snakemake/canfar`."""
        self.folder = folder
        self.jobs = folder / "jobs"
        self.rules = folder / "rules"
        self.logs = folder / "logs"
        self.engines = folder / "engines"
        for each in (folder, self.jobs, self.rules, self.logs, self.engines):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.engine = uuid.uuid4().hex
        # Held until the process ends, however it ends: other engines see by it that this one lives.
        self._alive = self._engine_file(self.engine).open("w")
        _lock(self._alive)

    def _engine_file(self, engine: str) -> Path:
        return self.engines / f"{engine}.lock"

    def is_alive(self, engine: str) -> bool:
        """Whether another engine still runs."""
        if engine == self.engine:
            return False
        try:
            with self._engine_file(engine).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    @contextlib.contextmanager
    def locked(self, job: str) -> Iterator[None]:
        """Keeps other engines from submitting the same job."""
        path = self.jobs / f"{job}.lock"
        while True:
            with path.open("w") as lock:
                _lock(lock)
                # An engine that had the lock before may have removed the file.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                        yield
                        return

    def read(self, job: str) -> Record | None:
        """The record of a job; None if there is none, or none that can be read."""
        try:
            fields = json.loads((self.jobs / f"{job}.json").read_bytes())
            known = {name: value for name, value in fields.items() if name in Record.__dataclass_fields__}
            return Record(**{**known, "outputs": tuple(known.get("outputs", ()))})
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, job: str, record: Record) -> None:
        """Stores the record of a job."""
        _write(self.jobs / f"{job}.json", json.dumps(asdict(record)).encode())

    def remove(self, job: str, key: str) -> None:
        """Removes the record of a job that was reported, with its script, unless another engine has replaced it."""
        present = self.read(job)
        if present is None or present.key == key:
            for suffix in ("json", "sh", "inputs", "lock"):
                (self.jobs / f"{job}.{suffix}").unlink(missing_ok=True)

    def take_over(self, job: str, record: Record) -> Record:
        """Makes this engine the owner of a job whose engine is gone."""
        mine = replace(record, engine=self.engine)
        self.write(job, mine)
        return mine

    def write_file(self, name: str, text: str) -> None:
        """Stores the script of a job, or its list of inputs."""
        _write(self.jobs / name, text.encode())

    def write_launcher(self, rule: str, text: str) -> Path:
        """Stores the launcher of a rule, once."""
        path = self.rules / f"{rule}.sh"
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                return path
        _write(path, text.encode())
        return path

    def records(self) -> dict[str, Record]:
        """All records by job."""
        found = {path.stem: self.read(path.stem) for path in self.jobs.glob("*.json")}
        return {job: record for job, record in found.items() if record is not None}

    def clean(self, now: float | None = None) -> None:
        """Removes records of jobs that cannot run any more, and lock files of engines that are gone."""
        now = time.time() if now is None else now
        for job, record in self.records().items():
            if now - record.sent_at > RECORD_SECONDS:
                self.remove(job, record.key)
        for path in self.engines.glob("*.lock"):
            if path.stem != self.engine and not self.is_alive(path.stem):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Tells other engines that this one has ended."""
        self._engine_file(self.engine).unlink(missing_ok=True)
        self._alive.close()
