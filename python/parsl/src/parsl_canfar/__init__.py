"""Parsl on a science platform: blocks of workers are batch jobs. Rubin's BPS finds its site in `parsl_canfar.bps`."""

from .engine import interchange_that_ends_with_the_engine
from .network import address_to_platform
from .provider import CanfarProvider

__all__ = ["CanfarProvider", "address_to_platform", "interchange_that_ends_with_the_engine"]
