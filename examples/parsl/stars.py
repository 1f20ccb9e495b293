"""Runs a function on each frame, in workers that are jobs of the platform.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/parsl/stars.py IMAGE FRAMES [host]

The last word is for a machine of the platform itself, whose operator allows that network.
"""

import sys

import parsl
from parsl import Config, python_app
from parsl.executors import HighThroughputExecutor
from parsl_canfar import CanfarProvider, address_to_platform, interchange_that_ends_with_the_engine

image, frames = sys.argv[1], int(sys.argv[2])


@python_app
def count_stars(frame: int) -> tuple[int, str]:
    """Runs in a worker: imports belong inside."""
    import os

    return 100 + frame, os.environ["PARSL_WORKER_BLOCK_ID"]


config = Config(
    executors=[
        HighThroughputExecutor(
            provider=CanfarProvider(
                image,
                cores_per_node=2,
                mem_per_node=2,
                walltime="01:00:00",
                max_blocks=2,
                network="host" if "host" in sys.argv[3:] else None,
            ),
            # Workers connect to this machine.
            address=address_to_platform(),
            worker_logdir_root="/scratch",
            interchange_launch_cmd=interchange_that_ends_with_the_engine(),
        )
    ],
)

with parsl.load(config):
    counts = [future.result() for future in [count_stars(frame) for frame in range(frames)]]
print(f"{sum(stars for stars, _ in counts)} stars, counted in {len({block for _, block in counts})} blocks")
