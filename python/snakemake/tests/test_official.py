"""The test cases that Snakemake has for executors, on a stand-in of the platform."""

from collections.abc import Iterator

import pytest
import snakemake.common.tests
from snakemake_executor_plugin_canfar import ExecutorSettings
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase
from standin import StandIn


class TestWorkflows(snakemake.common.tests.TestWorkflowsLocalStorageBase):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _platform(self, platform: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.platform = platform
        monkeypatch.setenv("CANFAR_URL", platform.url)
        monkeypatch.setenv("CANFAR_TOKEN", "secret-token")
        yield
        # Every job of the workflow was a job of the platform.
        assert {job.state for job in platform.jobs} == {"succeeded"}

    def get_executor(self) -> str:
        return "canfar"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings(shared_roots="/")
