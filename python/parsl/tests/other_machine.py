"""A second machine for tests: a network namespace that the jobs' network reaches as it reaches the outside."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from science_platform_testing import eventually


@dataclass(frozen=True)
class OtherMachine:
    """How to run commands on it, its address, and that of the platform as it sees it."""

    enter: list[str]
    address: str
    platform: str


@contextmanager
def other_machine(url: str) -> Iterator[OtherMachine]:
    """The kernel removes the link with the namespace, when its only process ends."""
    number = os.getpid() % 65_536
    # A /30 of 10.231.0.0/16 and 10.232.0.0 to 10.234.255.255, by the process.
    ours, theirs = (f"10.{231 + number // 16_384}.{number % 16_384 // 64}.{number % 64 * 4 + host}" for host in (1, 2))
    link = f"pt{os.getpid()}"
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            space = f"/proc/{holder.pid}/ns/net"
            eventually("the namespace", lambda: os.readlink(space) != os.readlink("/proc/self/ns/net"))
            enter = ["nsenter", "--target", str(holder.pid), "--net"]
            for command in (
                ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid)],
                ["ip", "address", "add", f"{ours}/30", "dev", link],
                ["ip", "link", "set", link, "up"],
                [*enter, "ip", "link", "set", "lo", "up"],
                [*enter, "ip", "address", "add", f"{theirs}/30", "dev", "eth0"],
                [*enter, "ip", "link", "set", "eth0", "up"],
                [*enter, "ip", "route", "add", "default", "via", ours],
            ):
                subprocess.run(command, check=True)
            with socket.create_server((ours, 0)) as listener:
                relay = threading.Thread(target=_relay, args=(listener, urlsplit(url).port), daemon=True)
                relay.start()
                yield OtherMachine(enter, theirs, f"http://{ours}:{listener.getsockname()[1]}")
        finally:
            holder.kill()


def _relay(listener: socket.socket, port: int) -> None:
    """Forwards connections to the platform, which listens on the loopback."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", port))
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()
