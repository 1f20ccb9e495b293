"""The way from a block's workers to the interchange, which runs on the engine's machine."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from science_platform import Jobs

_ADDRESSES = re.compile(r"\sprocess_worker_pool\.py\s.*?\s-a\s+(\S+)")


def address_to_platform(url: str | None = None) -> str:
    """This machine's address on its route to the platform, for `address=` of an executor.

    Jobs often come back by it: not where a NAT or a firewall is between, and not from jobs with the network `isolated` on this very
    machine. No packet is sent.

    Args:
        url: The server. Left out: that of the login.

    """
    parts = urlsplit(url or Jobs().url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    family, kind, _, _, target = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])


def complaint_of_addresses(command: str, network: str | None) -> str | None:
    """Why the workers that a command starts could never reach the interchange; None where they may.

    Args:
        command: The command of a block, as the HighThroughputExecutor makes it. Others are not judged.
        network: The network of the job; None for the platform's default.

    """
    found = _ADDRESSES.search(f" {command}")
    if found is None or network == "host":
        return None
    addresses = found[1].split(",")
    if not all(_is_loopback(address) for address in addresses):
        return None
    return (
        f"address={','.join(addresses)!r} is this machine's loopback, and in a job it is the job's own. Give the executor an "
        "address that jobs reach, such as address=address_to_platform(), and open its worker_port_range in the firewall."
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.endswith(".localhost")
