"""A Prefect server that is killed, with a server and a database of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flows
import httpx
from pool import InPool, Platform, Pool, Worker, job_is
from prefect.settings import PREFECT_API_URL, temporary_settings


class Server:
    """`prefect server start` on a port and a database that stay."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        # Not those of the server that other tests share.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self._environment = {
            **kept,
            "PREFECT_HOME": str(folder),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_UI_ENABLED": "false",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        output = subprocess.DEVNULL
        # A group of its own: the server is a child of the program that starts it.
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=output, stderr=output, start_new_session=True
        )
        for _ in range(1200):
            try:
                if httpx.get(f"{self.url}/health", timeout=5).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise TimeoutError("the Prefect server did not start")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.start()
        with temporary_settings({PREFECT_API_URL: server.url}):
            yield server
    finally:
        server.kill()


def test_a_job_that_ends_while_the_prefect_server_is_away(platform: Platform, in_pool: InPool, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(tmp_path / "prefect") as server:

        async def test(pool: Pool) -> None:
            command = f"sh -c 'while [ ! -e {gate} ]; do sleep 0.1; done; exit 5'"
            run = await pool.start(await pool.deploy(flows.good, command=command), path="/dev/null")
            async with pool.worker() as worker:
                await worker.get_and_submit_flow_runs()
                await job_is(platform, "running")
                await pool.becomes(run, "Submitting")
                server.kill()
                gate.touch()
                await job_is(platform, "failed")
                server.start()
                assert "exit code 5" in await pool.becomes(run, "Crashed", worker.sweep)

        in_pool(test)


def test_a_worker_looks_at_its_runs_by_itself(platform: Platform, in_pool: InPool) -> None:
    async def test(pool: Pool) -> None:
        platform.processes.hold_queue = True
        run = await pool.start(await pool.deploy(flows.good), path="/dev/null")
        async with Often(work_pool_name=pool.name) as worker:
            await worker.get_and_submit_flow_runs()
            await job_is(platform, "queued")
            await pool.cancel(run)
            await pool.becomes(run, "Cancelled")
        await job_is(platform, "cancelled")

    in_pool(test)


class Often(Worker):
    """The worker, which looks often."""

    type = "canfar-often"
    sweep_seconds = 0.2
