"""What Snakemake's registry of plugins expects."""

from typing import Any

import snakemake_interface_common.plugin_registry.tests
from snakemake_executor_plugin_canfar import ExecutorSettings
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


class TestRegistry(snakemake_interface_common.plugin_registry.tests.TestRegistryBase):
    __test__ = True

    def get_registry(self) -> Any:
        registry = ExecutorPluginRegistry()
        # Other executors that are installed have options too.
        registry.plugins = {name: one for name, one in registry.plugins.items() if name in ("canfar", "local")}
        return registry

    def get_test_plugin_name(self) -> str:
        return "canfar"

    def validate_plugin(self, plugin: Any) -> None:
        assert plugin.settings_cls is ExecutorSettings
        # The token has no option: command lines are seen by all users of a machine.
        assert not any("token" in one["cliarg"] for one in plugin.get_settings_info())

    def get_example_args(self) -> list[str]:
        return [
            "--canfar-image",
            "images.example.org/a/b:1",
            "--canfar-time-margin",
            "60",
            "--canfar-use-rule-container",
        ]

    def validate_settings(self, settings: Any, plugin: Any) -> None:
        assert isinstance(settings, ExecutorSettings)
        assert (settings.image, settings.time_margin, settings.use_rule_container) == (
            "images.example.org/a/b:1",
            60,
            True,
        )
        assert settings.shared_roots == "/arc"
