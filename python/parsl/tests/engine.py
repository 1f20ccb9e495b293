"""A program with Parsl, as users write it. It prints what it got; test_executor.py may kill it.

python engine.py IMAGE RUN_FOLDER TASKS SECONDS
"""

import sys

import parsl
from parsl import Config, python_app
from parsl.executors import HighThroughputExecutor
from parsl_canfar import CanfarProvider, interchange_that_ends_with_the_engine

image, folder, tasks, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


@python_app
def where(seconds: float) -> str:
    import os
    import time

    time.sleep(seconds)
    return f"{os.environ['PARSL_CORES']} {os.environ['HOME']}"


provider = CanfarProvider(image, mem_per_node=1, network="host", walltime="00:10:00", status_polling_interval=1)
executor = HighThroughputExecutor(
    provider=provider,
    address="127.0.0.1",
    worker_logdir_root="/scratch",
    heartbeat_period=1,
    heartbeat_threshold=15,
    interchange_launch_cmd=interchange_that_ends_with_the_engine(),
)
with parsl.load(Config(executors=[executor], run_dir=folder, strategy_period=0.5)):
    print("run", provider.run, flush=True)
    futures = [where(seconds) for _ in range(tasks)]
    for future in futures:
        print("result", future.result(), flush=True)
