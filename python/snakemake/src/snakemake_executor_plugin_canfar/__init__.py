"""A Snakemake executor for science platforms with the interface of CANFAR. Not made by CANFAR."""

from .executor import Executor
from .settings import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
