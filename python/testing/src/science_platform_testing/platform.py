"""A platform as operators run it: the real program with its own data directory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from science_platform import ClientError, Jobs

from .busybox import busybox_image

T = TypeVar("T")

#: The image that tests run: busybox.
IMAGE = "localhost/test/busybox:1"

CHECKOUT = Path(__file__).resolve().parents[4]


class Platform:
    """A server on a free port of this machine that runs jobs with runc. As a context manager it leaves nothing behind.

    `token` is that of the user ada of the group survey.
    """

    def __init__(
        self, settings: str = "", programs: dict[str, str] | None = None, packages: Sequence[str] = ()
    ) -> None:
        """Makes the data directory, a user and the image, and starts the server.

        Args:
            settings: More of its configuration, in YAML.
            programs: Shell scripts in /bin of the image, by name.
            packages: Distributions of this environment that the image has, with this environment's Python and bash.

        """
        self.folder = Path(tempfile.mkdtemp(prefix="sp-python-"))
        self.url = ""
        self.log = ""
        self._server: subprocess.Popen[str] | None = None
        data = self.folder / "data"
        data.mkdir()
        self._config = self.folder / "config.yaml"
        self._config.write_text(f"dataDir: {data}\nlisten: 127.0.0.1:0\n{settings}")
        try:
            self.admin("user", "add", "ada", "--group", "survey")
            self.token = self.new_token()
            archive = self.folder / "image.tar"
            busybox_image(archive, programs, packages)
            self.admin("image", "load", str(archive), "--as", IMAGE)
            archive.unlink()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Platform:
        """Returns the platform."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends everything."""
        self.close()

    def admin(self, *arguments: str) -> str:
        """Runs an administrative command and returns its output."""
        command = [str(CHECKOUT / "bin" / "science-platform"), *arguments, "--config", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def new_token(self, user: str = "ada", *options: str) -> str:
        """Another token."""
        return self.admin("token", "create", user, *options)

    def start(self) -> None:
        """Starts the server, after the first time at the same address, and waits until it listens."""
        listen = ["--listen", self.url.removeprefix("http://")] if self.url else []
        command = [str(CHECKOUT / "bin" / "science-platform"), "serve", "--config", str(self._config), *listen]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._server = server
        assert server.stdout is not None
        assert server.stderr is not None
        threading.Thread(target=self._collect, args=(server.stderr,), daemon=True).start()
        for line in server.stdout:
            if found := re.search(r"listening on (http:\S+)", line):
                self.url = found[1]
                threading.Thread(target=self._collect, args=(server.stdout,), daemon=True).start()
                return
        raise RuntimeError(f"serve exited with {server.wait()}: {self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops the server like an operator, or with SIGKILL like a crash. Jobs go on."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(how)
            self._server.wait()

    def jobs(self) -> Jobs:
        """A client of the user."""
        return Jobs(self.url, self.token)

    def close(self) -> None:
        """Ends all jobs and the server, and removes the files."""
        try:
            if self._server is not None:
                if self._server.poll() is not None:
                    self.start()
                with self.jobs() as jobs:
                    running = [job.id for job in jobs.list_all(state="held,queued,starting,running,stopping")]
                    for id in running:
                        jobs.cancel(id)
                    jobs.wait(running)
                eventually("every supervisor to be gone", lambda: not self._processes())
        finally:
            self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[int]:
        """Processes with the data directory on their command line, without the server."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if any(os.fsencode(self.folder) in word for word in command) and b"serve" not in command:
                    found.append(int(entry.name))
        return found

    def _collect(self, stream: IO[str]) -> None:
        for line in stream:
            self.log += line


def eventually(what: str, look: Callable[[], T], seconds: float = 120) -> T:
    """The first outcome that is true. Errors of the client count as not yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            outcome: T | None = look()
        except ClientError:
            outcome = None
        if outcome:
            return outcome
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)
