"""A site for Rubin's Batch Production Service. Imports LSST packages: the extra `bps` installs them.

In the configuration of BPS:

    wmsServiceClass: lsst.ctrl.bps.parsl.ParslService
    computeSite: canfar
    site:
      canfar:
        class: parsl_canfar.bps.Canfar
        image: images.example.org/survey/lsst:w_2026_43
        cores_per_node: 8
        mem_per_node: 32
        walltime: "12:00:00"
        max_blocks: 20
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from lsst.ctrl.bps.parsl import SiteConfig
from lsst.ctrl.bps.parsl.configuration import get_bps_config_value, get_workflow_name
from parsl.executors import HighThroughputExecutor
from parsl.executors.base import ParslExecutor

from .engine import interchange_that_ends_with_the_engine
from .network import address_to_platform
from .provider import CanfarProvider

if TYPE_CHECKING:
    from lsst.ctrl.bps import BpsConfig
    from lsst.ctrl.bps.parsl.job import ParslJob

T = TypeVar("T")

_LABEL = "canfar"
_LARGE = "canfar-large"


class Canfar(SiteConfig):
    """Runs the jobs of a BPS workflow in blocks of workers, which are jobs of the platform.

    The names of its settings, in `site.<computeSite>`, are those of CanfarProvider: `image` (required), `cores_per_node`,
    `mem_per_node`, `walltime` (quoted), `init_blocks`, `min_blocks`, `max_blocks`, `worker_init`, `network`, `group`, `when`. Beside
    them:

    - `mem_per_worker`: GiB of each worker, so that there are fewer workers than cores. Default: `mem_per_node` for all cores.
    - `large_mem_per_node`: GiB of blocks of their own for jobs that request more memory than a worker has, one job at a time in each.
    - `address`: this machine's address as jobs reach it. Default: that on its route to the platform.
    - `worker_logdir`: where workers write their logs. Default: /scratch, which ends with the job.
    """

    def __init__(self, config: BpsConfig, resource_list: list[str] | None = None) -> None:
        """Takes the configuration of BPS."""
        super().__init__(config, ["priority"] if resource_list is None else resource_list)

    def get_executors(self) -> list[ParslExecutor]:
        """Returns the executor of all jobs, and with `large_mem_per_node` that of large ones."""
        executors = [self._executor(_LABEL, self.get_provider(), mem_per_worker=self._number("mem_per_worker"))]
        large = self._number("large_mem_per_node")
        if large is not None:
            provider = self.get_provider(mem_per_node=large, init_blocks=0)
            executors.append(self._executor(_LARGE, provider, max_workers_per_node=1))
        return executors

    def get_provider(self, **options: Any) -> CanfarProvider:
        """Returns a provider with the settings of the site, except for those given here."""
        kinds: dict[str, type] = {
            "cores_per_node": int,
            "walltime": str,
            "init_blocks": int,
            "min_blocks": int,
            "max_blocks": int,
            "worker_init": str,
            "network": str,
            "group": str,
            "when": str,
        }
        given: dict[str, Any] = {name: self._value(name, kind) for name, kind in kinds.items()}
        given["mem_per_node"] = self._number("mem_per_node")
        given["labels"] = {"bps-workflow": get_workflow_name(self.config)[:255]}
        image = get_bps_config_value(self.site, "image", str, required=True)
        return CanfarProvider(image, **{name: one for name, one in {**given, **options}.items() if one is not None})

    def select_executor(self, job: ParslJob) -> str:
        """Returns the label of the executor of a job. Raises RuntimeError where it needs more memory than a block has.

        BPS asks only where there are two executors.
        """
        provider = self.get_provider()
        worker = self._number("mem_per_worker") or provider.mem_per_node / provider.cores_per_node
        large = self._number("large_mem_per_node")
        needed = (job.generic.request_memory or 0) / 1024
        if large is None or needed <= worker:
            return _LABEL
        if needed > large:
            raise RuntimeError(
                f"{job.name} requests {needed:g} GiB of memory, more than large_mem_per_node={large:g}. Raise it, or lower requestMemory."
            )
        return _LARGE

    def _executor(self, label: str, provider: CanfarProvider, **options: Any) -> ParslExecutor:
        return HighThroughputExecutor(
            label,
            provider=provider,
            address=self.get_address(),
            worker_logdir_root=self._value("worker_logdir", str) or "/scratch",
            interchange_launch_cmd=interchange_that_ends_with_the_engine(),
            **options,
        )

    def get_address(self) -> str:
        """Returns the setting `address`, else this machine's address on its route to the platform."""
        return self._value("address", str) or address_to_platform()

    def _value(self, name: str, kind: type[T]) -> T | None:
        value: T | None = get_bps_config_value(self.site, name, kind)
        return value

    def _number(self, name: str) -> float | None:
        """A number that may be written without a point."""
        found, value = self.site.search(name, {"expandEnvVars": True, "replaceVars": True})
        if not found:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RuntimeError(f"Configuration value {name}={value} is not a number")
        return float(value)
