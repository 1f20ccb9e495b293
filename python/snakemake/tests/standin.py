"""A stand-in of the platform's own API that runs jobs as processes of this machine, with faults to switch on."""

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import string
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class StandInJob:
    """A job and its process."""

    id: str
    body: dict[str, Any]
    log: Path
    state: str = "queued"
    exit_code: int | None = None
    cause: dict[str, str] | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = {
            "id": self.id,
            "name": self.body["name"],
            "owner": "ada",
            "kind": "headless",
            "state": self.state,
            "image": self.body["image"],
            "env": self.body.get("env", {}),
            "resources": {},
            "timeSeconds": self.body.get("timeSeconds", 1_209_600),
            "submittedAt": "2026-11-30T00:00:00.000Z",
            "attempts": [],
            "exitCode": self.exit_code,
            "cause": self.cause,
            "usage": self.usage or None,
        }
        return {name: value for name, value in shown.items() if value is not None}


class JobProcesses:
    """Runs jobs as processes, a number of them at a time. Both stand-ins use it."""

    def __init__(self, folder: Path, parallel: int = 4) -> None:
        """`folder` holds the logs."""
        self.folder = folder
        self.parallel = parallel
        self.changed = threading.Condition()
        self.jobs: dict[str, StandInJob] = {}
        self.hold_queue = False
        self.closing = False
        #: Called when a job is about to start; what it returns ends the job at once, with this cause code.
        self.fate: Callable[[StandInJob], str | None] = lambda job: None
        threading.Thread(target=self._schedule, daemon=True).start()

    def add(self, body: dict[str, Any]) -> StandInJob:
        """Queues a job."""
        with self.changed:
            identifier = random.choice(string.ascii_lowercase) + "".join(
                random.choices(string.ascii_lowercase + string.digits, k=7)
            )
            job = StandInJob(identifier, body, self.folder / f"{identifier}.log")
            self.jobs[identifier] = job
            self.changed.notify_all()
            return job

    def _schedule(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.closing or self._startable())
                if self.closing:
                    return
                job = self._startable()[0]
                self._start(job)

    def _startable(self) -> list[StandInJob]:
        running = sum(job.state in ("running", "stopping") for job in self.jobs.values())
        if self.hold_queue or running >= self.parallel:
            return []
        return [job for job in self.jobs.values() if job.state == "queued"]

    def _start(self, job: StandInJob) -> None:
        code = self.fate(job)
        if code is not None:
            self.end(job, "failed", code)
            return
        job.state = "running"
        self.changed.notify_all()
        scratch = self.folder / f"scratch-{job.id}"
        scratch.mkdir()
        words = [word.replace("/scratch", str(scratch)) for word in (job.body["cmd"], *job.body.get("args", []))]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **job.body.get("env", {}), "TMPDIR": str(scratch)}
        with job.log.open("wb") as log:
            try:
                job.process = subprocess.Popen(
                    words,
                    cwd=self.folder,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                self.end(job, "failed", "command-not-found")
                return
        threading.Thread(target=self._wait_for, args=[job], daemon=True).start()

    def _wait_for(self, job: StandInJob) -> None:
        assert job.process is not None
        code = job.process.wait()
        with self.changed:
            if job.state not in ENDED:
                job.exit_code = code if code >= 0 else 128 - code
                if job.state == "stopping":
                    self.end(job, "cancelled", "cancelled")
                else:
                    self.end(job, "succeeded" if code == 0 else "failed", "exited")

    def end(self, job: StandInJob, state: str, code: str) -> None:
        """Ends a job; a process that still runs is killed."""
        with self.changed:
            messages = {
                "exited": f"The command ended with exit code {job.exit_code}.",
                "out-of-memory": "The kernel killed the command: it needed more than its limit of 1 GiB.",
            }
            job.state = state
            job.cause = {"code": code, "message": messages.get(code, f"The job ended: {code}.")}
            job.ended_at = time.time()
            kill(job.process)
            self.changed.notify_all()

    def cancel(self, job: StandInJob) -> None:
        """Cancels a job: SIGTERM to a running one."""
        with self.changed:
            if job.state == "queued":
                self.end(job, "cancelled", "cancelled")
            elif job.state == "running":
                job.state = "stopping"
                kill(job.process, signal.SIGTERM)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Waits for a condition on the jobs."""
        with self.changed:
            deadline = time.monotonic() + seconds
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, (
                    f"not within {seconds} s: {[(job.body['name'], job.state) for job in self.jobs.values()]}"
                )
                self.changed.wait(min(left, 0.2))

    def close(self) -> None:
        """Kills all processes."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()
            for job in self.jobs.values():
                kill(job.process)


def kill(process: subprocess.Popen[bytes] | None, number: int = signal.SIGKILL) -> None:
    """Sends a signal to the group of a process."""
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


class Problem(Exception):
    """An unsuccessful answer."""

    def __init__(self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = headers or {}


class Hangup(Exception):
    """The connection ends without an answer."""


class StandIn:
    """The server. Its attributes are the switches."""

    def __init__(self, folder: Path, parallel: int = 4) -> None:
        self.processes = JobProcesses(folder, parallel)
        self.tokens = {"secret-token"}
        self.scopes = ["read", "submit", "manage"]
        self.away = False
        #: Answers to give instead of the true one, by method and path: a number of times each.
        self.answers: list[tuple[str, int, Problem]] = []
        #: How many submissions are accepted without an answer.
        self.swallow = 0
        #: Whether the server is of a release without POST /jobs/cancel.
        self.old = False
        #: Whether the server is of a release without POST /jobs/wait.
        self.ancient = False
        #: How many lists do not show jobs, as if they came too early.
        self.blind_lists = 0
        self.requests: list[tuple[float, str, str]] = []
        self.keys: dict[str, tuple[str, str]] = {}
        self.replays = 0
        self.conflicts = 0
        handler = type("Handler", (Handler,), {"standin": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def jobs(self) -> list[StandInJob]:
        """All jobs, oldest first."""
        return list(self.processes.jobs.values())

    def named(self, rule: str) -> list[StandInJob]:
        """The jobs of a rule."""
        return [job for job in self.jobs if re.fullmatch(rf"smk-[0-9a-f]{{8}}-{rule}-[0-9a-f]{{10}}", job.body["name"])]

    def close(self) -> None:
        """Stops the server and all jobs."""
        self.server.shutdown()
        self.server.server_close()
        self.processes.close()

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> tuple[int, Any]:
        """The status and the content of an answer."""
        if self.away:
            raise Hangup
        for index, (pattern, times, problem) in enumerate(self.answers):
            if re.fullmatch(pattern, f"{method} {path}"):
                self.answers[index : index + 1] = [(pattern, times - 1, problem)] if times > 1 else []
                raise problem
        if path == "/openapi.json":
            return 200, {"openapi": "3.1.0"}
        token = (headers.get("authorization") or "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise Problem(401, "unauthenticated", "The token has expired.")
        if path == "/account":
            return 200, {"user": "ada", "scopes": self.scopes}
        if (method, path) == ("POST", "/jobs"):
            return self._submit(json.loads(body), headers.get("idempotency-key"))
        if (method, path) == ("POST", "/jobs/wait") and not self.ancient:
            return 200, self._wait(**json.loads(body))
        if (method, path) == ("GET", "/jobs"):
            if self.blind_lists > 0:
                self.blind_lists -= 1
                return 200, {"jobs": []}
            found = [job.as_json() for job in self.jobs if job.body["name"].startswith(query.get("name", ""))]
            return 200, {"jobs": found}
        if (method, path) == ("POST", "/jobs/cancel") and not self.old:
            known = self.processes.jobs
            chosen = [known[identifier] for identifier in json.loads(body)["ids"] if identifier in known]
            for one in chosen:
                self.processes.cancel(one)
            ids = [one.id for one in chosen]
            counts = {"cancelled": len(ids), "ended": 0, "unknown": 0}
            return 200, {"cancelled": ids, "ended": [], "unknown": [], "counts": counts}
        job = self.processes.jobs.get(path.split("/")[2])
        if job is None:
            raise Problem(404, "job-not-found", "There is no such job.")
        if path.endswith("/cancel"):
            self.processes.cancel(job)
            return 202, job.as_json()
        if path.endswith("/logs"):
            return self._log(job, headers.get("range"))
        return 200, job.as_json()

    def _submit(self, body: dict[str, Any], key: str | None) -> tuple[int, Any]:
        allowed = {
            "name", "image", "kind", "cmd", "args", "env", "cores", "memoryGb", "gpus", "network", "timeSeconds",
            "graceSeconds", "signal", "when", "after", "by", "group", "gpuKind",
        }  # fmt: skip
        for field_name in body:
            if field_name not in allowed:
                raise Problem(400, "invalid-request", f'the body has an unknown key "{field_name}"')
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", body["name"]):
            raise Problem(400, "invalid-request", f"the name {body['name']!r} is not allowed")
        for word in [body["cmd"], *body["args"]]:
            if len(word.encode()) >= 131_072:
                raise Problem(400, "invalid-request", "a word of the command is longer than 128 KiB")
        if not 1 <= body["memoryGb"] <= 512 or not 1 <= body["cores"] <= 256:
            raise Problem(400, "never-fits", "no node offers so much.")
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self.processes.changed:
            if key in self.keys:
                known, identifier = self.keys[key]
                if known != digest:
                    self.conflicts += 1
                    raise Problem(409, "idempotency-conflict", "The key was used for another request.")
                self.replays += 1
            else:
                identifier = self.processes.add(body).id
                if key:
                    self.keys[key] = (digest, identifier)
            if self.swallow > 0:
                self.swallow -= 1
                raise Hangup
        return 201, {"ids": [identifier]}

    def _wait(self, ids: list[str], timeout: float = 30) -> dict[str, Any]:
        assert 1 <= len(ids) <= 1000
        deadline = time.monotonic() + timeout
        with self.processes.changed:
            while True:
                known = [self.processes.jobs[one] for one in ids if one in self.processes.jobs]
                ended = [job.as_json() for job in known if job.state in ENDED]
                unknown = [one for one in ids if one not in self.processes.jobs]
                left = deadline - time.monotonic()
                if ended or unknown or left <= 0 or self.away:
                    if self.away:
                        raise Hangup
                    return {"ended": ended, "unknown": unknown}
                self.processes.changed.wait(min(left, 0.1))

    def _log(self, job: StandInJob, asked: str | None) -> tuple[int, bytes]:
        content = job.log.read_bytes() if job.log.exists() else b""
        if asked is None:
            return 200, content
        size = int(asked.removeprefix("bytes=-"))
        if not content:
            raise Problem(416, "range-not-satisfiable", "The log is empty.")
        return 206, content[-size:]


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the stand-in."""

    protocol_version = "HTTP/1.1"
    standin: StandIn

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path = url.path.removeprefix("/api/v1")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.standin.requests.append((time.monotonic(), self.command, path))
        try:
            status, content = self.standin.answer(self.command, path, query, self.headers, body)
            more: dict[str, str] = {}
        except Hangup:
            self.close_connection = True
            return
        except Problem as problem:
            status, more = problem.status, problem.headers
            content = {
                "type": f"urn:science-platform:problem:{problem.kind}",
                "title": str(problem),
                "status": status,
                "detail": str(problem),
            }
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain" if isinstance(content, bytes) else "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
