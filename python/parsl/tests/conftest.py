from collections.abc import Iterator

import pytest
from science_platform_testing import Platform, python_program

SETTINGS = "network:\n  default: isolated\n  allowed: [isolated, host, none]\n"


@pytest.fixture(scope="session")
def server() -> Iterator[Platform]:
    """A platform whose image has bash and the workers of Parsl."""
    programs = {"process_worker_pool.py": python_program("parsl.executors.high_throughput.process_worker_pool")}
    with Platform(SETTINGS, programs=programs, packages=["parsl"]) as one:
        yield one


@pytest.fixture
def platform(server: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The platform, with the login of its user in the environment."""
    monkeypatch.setenv("CANFAR_URL", server.url)
    monkeypatch.setenv("CANFAR_TOKEN", server.token)
    return server
