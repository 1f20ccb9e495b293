"""What `run` of both clients shares."""

from __future__ import annotations

import uuid

from .calls import Body
from .errors import ClientError
from .model import JobRequest
from .steps import log


def single_job(request: Body) -> Body:
    """The request. Raises ValueError where it is for several jobs."""
    replicas = request.replicas if isinstance(request, JobRequest) else request.get("replicas")
    if replicas not in (None, 1):
        raise ValueError(f"replicas is {replicas}; run takes one job. Use submit and wait for several.")
    return request


def new_key() -> str:
    """A random Idempotency-Key."""
    return str(uuid.uuid4())


def left_running(id: str | None, error: ClientError) -> None:
    """Reports a job that could not be cancelled."""
    log.warning("%s could not be cancelled and may run on: %s", f"job {id}" if id else "the submitted job", error)
