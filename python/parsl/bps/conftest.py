"""Tests with Rubin's packages, in an environment of their own: e2e/bps.test.ts runs them."""

from collections.abc import Iterator

import pytest
from science_platform_testing import Platform, python_program


@pytest.fixture(scope="session")
def server() -> Iterator[Platform]:
    """A platform whose image has bash, the workers of Parsl, and what functions of BPS import."""
    programs = {"process_worker_pool.py": python_program("parsl.executors.high_throughput.process_worker_pool")}
    settings = "capacity: {cores: 6, memoryGb: 24}\nnetwork:\n  allowed: [isolated, host, none]\n"
    with Platform(settings, programs=programs, packages=["parsl", "lsst-ctrl-bps-parsl"]) as one:
        yield one


@pytest.fixture
def platform(server: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The platform, with the login of its user in the environment."""
    monkeypatch.setenv("CANFAR_URL", server.url)
    monkeypatch.setenv("CANFAR_TOKEN", server.token)
    return server
