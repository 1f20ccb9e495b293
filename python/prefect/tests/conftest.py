import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pool import InPool, Platform, Pool, Worker
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.testing.utilities import prefect_test_harness


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    folder = tmp_path / "jobs"
    folder.mkdir()
    one = Platform(folder)
    monkeypatch.setenv("CANFAR_URL", one.url)
    monkeypatch.setenv("CANFAR_TOKEN", "secret-token")
    yield one
    one.close()


@pytest.fixture
def in_pool(platform: Platform, request: pytest.FixtureRequest) -> InPool:
    """Runs a test in a pool of its own."""

    def run(test: Callable[[Pool], Awaitable[None]]) -> None:
        async def main() -> None:
            async with get_client() as client:
                template = Worker.get_default_base_job_template()
                template["variables"]["properties"]["image"]["default"] = "images.example.org/prefect:3"
                template["variables"]["properties"]["network"]["default"] = "host"
                name = request.node.name[:80].replace("[", "-").replace("]", "")
                await client.create_work_pool(WorkPoolCreate(name=name, type=Worker.type, base_job_template=template))
                await test(Pool(client, name))

        asyncio.run(main())

    return run
