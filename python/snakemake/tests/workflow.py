"""Snakemake as a program of its own, in a folder of a test."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

#: Marks tests that repeat the proof of another in other circumstances.
only_in_all = pytest.mark.skipif(not os.environ.get("E2E_ALL"), reason="E2E_ALL=1 runs it")


class Engine:
    """A run of Snakemake as a process."""

    def __init__(self, folder: Path, url: str, arguments: list[str], env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "snakemake", "--executor", "canfar", "--jobs", "8", "--latency-wait", "2"]
        if "--canfar-shared-roots" not in arguments:
            command += ["--canfar-shared-roots", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--container-image", "images.example.org/astro/tools:1", *arguments],
            cwd=folder,
            env={**os.environ, "CANFAR_URL": url, "CANFAR_TOKEN": "secret-token", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # SIGINT must not be ignored, as it is in background jobs of a shell.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.output = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def wait_until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Waits for a condition while Snakemake runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"Snakemake has ended:\n{self.output}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.output}"
            time.sleep(0.05)

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.kill()
        self.process.wait()
        self._reading.join()

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 120) -> int:
        """Waits for the end and returns the exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"Snakemake did not end:\n{self.output}") from None
        self._reading.join()
        return code

    def succeeds(self) -> str:
        """Waits for a good end and returns the output."""
        code = self.end()
        assert code == 0, self.output
        return self.output

    def fails(self) -> str:
        """Waits for a bad end and returns the output."""
        code = self.end()
        assert code == 1, self.output
        return self.output


class Workflow:
    """A folder with a Snakefile."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self._engines: list[Engine] = []

    def write(self, snakefile: str) -> None:
        """Replaces the Snakefile."""
        (self.folder / "Snakefile").write_text(snakefile)

    def start(self, *arguments: str, **env: str) -> Engine:
        """Starts Snakemake."""
        engine = Engine(self.folder, self.url, list(arguments), env)
        self._engines.append(engine)
        return engine

    def lines(self, name: str) -> list[str]:
        """The lines of a file: one a run of a rule, in these tests."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def close(self) -> None:
        """Ends what still runs."""
        for engine in self._engines:
            engine.kill()
