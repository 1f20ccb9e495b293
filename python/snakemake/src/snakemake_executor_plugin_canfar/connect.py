"""Choosing the backend."""

import os
import threading

import httpx
from science_platform import Jobs
from science_platform.login import Identity

from .api_backend import ApiBackend
from .backend import Backend, Unavailable
from .settings import ExecutorSettings
from .skaha_backend import SkahaBackend


def has_renewable_token() -> bool:
    """Whether the token comes from the saved login, which is read again when it is refused."""
    return not os.environ.get("CANFAR_TOKEN")


def connect(identity: Identity, settings: ExecutorSettings, stop: threading.Event) -> Backend:
    """A backend whose token was checked. Raises BackendError."""
    v1 = settings.api == "v1" or (settings.api == "auto" and _has_own_api(identity))
    backend: Backend = ApiBackend(Jobs(settings.url)) if v1 else SkahaBackend(identity, stop)
    try:
        backend.check()
    except BaseException:
        backend.close()
        raise
    return backend


def _has_own_api(identity: Identity) -> bool:
    url = f"{identity.addresses.api}/openapi.json"
    try:
        answer = httpx.get(url, timeout=30)
    except httpx.HTTPError as error:
        raise Unavailable(f"no answer from {url}: {type(error).__name__}") from None
    if answer.status_code >= 500:
        raise Unavailable(f"HTTP {answer.status_code} from {url}")
    return answer.status_code == 200 and "json" in answer.headers.get("content-type", "")
