"""Fixtures: a stand-in of the platform, and a workflow that runs on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from standin import StandIn
from workflow import Workflow


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A stand-in of `/api/v1`."""
    server = StandIn(tmp_path_factory.mktemp("platform"))
    yield server
    server.close()


@pytest.fixture
def workflow(tmp_path: Path, platform: StandIn) -> Iterator[Workflow]:
    """An empty workflow for the stand-in."""
    made = Workflow(tmp_path, platform.url)
    yield made
    made.close()
