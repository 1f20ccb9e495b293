"""A stand-in of a server with the skaha interface alone, which does what the reference server does.

`cmd` is one word, `args` are split at single spaces, items of `env` without exactly one `=` are dropped, there is no exit code and no
cause, DELETE always succeeds, and records and logs of ended sessions are gone after `keep_seconds`.
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from standin import JobProcesses, StandInJob

_STATUS = {
    "queued": "Pending",
    "running": "Running",
    "stopping": "Terminating",
    "succeeded": "Completed",
    "failed": "Failed",
}


class SkahaStandIn:
    """The server. Its attributes are the switches."""

    def __init__(self, folder: Path, parallel: int = 4) -> None:
        self.processes = JobProcesses(folder, parallel)
        self.keep_seconds = 3600.0
        self.away = False
        #: How many submissions are accepted without an answer.
        self.swallow = 0
        #: How many submissions Kubernetes rejects.
        self.reject = 0
        self.submissions = 0
        self.deleted: list[str] = []
        handler = type("Handler", (_Handler,), {"standin": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/skaha/v1"

    @property
    def jobs(self) -> list[StandInJob]:
        """All jobs, also those whose records are gone."""
        return list(self.processes.jobs.values())

    def close(self) -> None:
        """Stops the server and all jobs."""
        self.server.shutdown()
        self.server.server_close()
        self.processes.close()

    def known(self, identifier: str) -> StandInJob | None:
        """A job with a record."""
        job = self.processes.jobs.get(identifier)
        if job is None or identifier in self.deleted:
            return None
        return None if job.ended_at and time.time() - job.ended_at > self.keep_seconds else job

    def answer(self, method: str, path: str, items: list[tuple[str, str]], token: str) -> tuple[int, str, bytes] | None:
        """Status, type and body; None hangs up."""
        if self.away:
            return None
        if not path.startswith("/skaha/v1/session"):
            return 404, "text/plain", b"not found\n"
        if token != "Bearer secret-token":
            return 401, "text/plain", b"token has expired\n"
        first: dict[str, str] = {}
        for name, value in items:
            first.setdefault(name, value)
        identifier = path.removeprefix("/skaha/v1/session").strip("/")
        if method == "POST":
            return self._create(first, [value for name, value in items if name == "env"])
        if method == "DELETE":
            job = self.processes.jobs.get(identifier)
            if job is not None:
                self.deleted.append(identifier)
                self.processes.cancel(job)
            return 200, "text/plain", b""
        if not identifier:
            jobs = [job for job in self.jobs if self.known(job.id)]
            return 200, "application/json", json.dumps([self._session(job) for job in jobs]).encode()
        job = self.known(identifier)
        if first.get("view") == "logs":
            return 200, "text/plain", job.log.read_bytes() if job and job.log.exists() else b""
        if job is None:
            return 404, "text/plain", f"session {identifier} not found\n".encode()
        return 200, "application/json", json.dumps(self._session(job)).encode()

    def _session(self, job: StandInJob) -> dict[str, Any]:
        return {
            "id": job.id,
            "userid": "ada",
            "image": job.body["image"],
            "type": "headless",
            "status": _STATUS.get(job.state, "Failed"),
            "name": job.body["name"],
        }

    def _create(self, first: dict[str, str], env: list[str]) -> tuple[int, str, bytes] | None:
        self.submissions += 1
        if self.reject > 0:
            self.reject -= 1
            return 500, "text/plain", b"unexpected exception: io.kubernetes.client.openapi.ApiException\n"
        if not re.fullmatch("[A-Za-z0-9-]+", first.get("name", "")):
            return 400, "text/plain", b"name can only contain alpha-numeric chars and '-'\n"
        for value in [first["cmd"], first.get("args", ""), *env]:
            # The reference server puts them into a YAML text.
            if re.search(r'["\\$\n]', value):
                return 400, "text/plain", b"corrupt manifest\n"
        split = first.get("args", "").split(" ")
        while split and split[-1] == "":
            split.pop()
        parts = [item.split("=") for item in env]
        body = {
            "name": first["name"].lower(),
            "image": first["image"],
            "cores": int(first["cores"]),
            "memoryGb": int(first["ram"]),
            "cmd": first["cmd"],
            "args": split,
            "env": {pair[0]: pair[1] for pair in parts if len(pair) == 2 and pair[1] != ""},
        }
        job = self.processes.add(body)
        if self.swallow > 0:
            self.swallow -= 1
            return None
        return 200, "text/plain", f"{job.id}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: SkahaStandIn

    def _serve(self) -> None:
        url = urlsplit(self.path)
        items = parse_qsl(url.query, keep_blank_values=True)
        self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.standin.answer(self.command, url.path, items, self.headers.get("authorization", ""))
        if answer is None:
            self.close_connection = True
            return
        status, kind, body = answer
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
