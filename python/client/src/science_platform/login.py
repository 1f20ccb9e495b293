"""Which server and which token a client uses."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .addresses import Addresses
from .errors import NotLoggedInError

_HOW = "Log in with `canfar auth login --server URL`, or set CANFAR_URL and CANFAR_TOKEN."


@dataclass(frozen=True)
class Login:
    """A server and the token for it."""

    addresses: Addresses
    token: str = field(repr=False)
    #: Whether the token is from the saved configuration, which may get a new one at any time.
    saved: bool = False


def login_from(
    url: str | None,
    token: str | None,
    environment: Mapping[str, str],
    configuration: Any,
    now: float,
) -> Login:
    """The login that a client uses: its arguments, else CANFAR_URL with CANFAR_TOKEN, else the active saved login.

    A saved token is used for its own server alone. `configuration` is the parsed file, None without one; `now` is in seconds
    since the epoch. Raises NotLoggedInError, and ValueError for what is no address.
    """
    named, secret = environment.get("CANFAR_URL") or None, environment.get("CANFAR_TOKEN") or None
    wanted = Addresses.of(url) if url else Addresses.of(named) if named else None
    if token:
        if wanted is None:
            raise NotLoggedInError("a token was given without the address of its server", "Give url too.")
        return Login(wanted, token)
    # A token of the environment belongs to CANFAR_URL, and to a url argument only where that is the same server.
    if secret and named and wanted and Addresses.of(named).root == wanted.root:
        return Login(wanted, secret)
    if secret and not named:
        raise NotLoggedInError("CANFAR_TOKEN is set without CANFAR_URL", "Set CANFAR_URL=https://HOST/skaha/v1.")
    saved = saved_login(configuration, now)
    if wanted is not None and wanted.root != saved.addresses.root:
        hint = "Give a token, or log in there: canfar auth login --server URL"
        raise NotLoggedInError(f"the saved login is for {saved.addresses.root}, and not for {wanted.root}", hint)
    return Login(wanted or saved.addresses, saved.token, saved=True)


def saved_login(configuration: Any, now: float) -> Login:
    """The active login of a configuration, version 1 or 2. Raises NotLoggedInError."""
    if configuration is None:
        raise NotLoggedInError("you are not logged in", _HOW)
    if not isinstance(configuration, dict) or configuration.get("version") not in (1, 2, "1", "2"):
        raise NotLoggedInError("the saved configuration has neither version 1 nor version 2", _HOW)
    active, logins, servers = (_mapping(configuration.get(key)) for key in ("active", "authentication", "servers"))
    server = _mapping(servers.get(active.get("server")))
    credential = _mapping(logins.get(active.get("authentication")))
    url = server.get("url")
    if not isinstance(url, str) or not url:
        raise NotLoggedInError("no server is active in the saved configuration", _HOW)
    again = f"Log in again: canfar auth login --server {url}"
    if credential.get("mode") == "x509":
        raise NotLoggedInError(f"the saved login for {url} is a certificate, which this client cannot use", again)
    token = _mapping(credential.get("token")).get("access")
    if not isinstance(token, str) or not token:
        raise NotLoggedInError(f"there is no token for {url}", again)
    expiry = credential.get("expiry")
    seconds = expiry.get("access") if isinstance(expiry, dict) else expiry
    if not isinstance(seconds, int | float) or seconds <= now:
        raise NotLoggedInError(f"the token for {url} has expired", again)
    return Login(Addresses.of(f"{url.rstrip('/')}/{server.get('version') or 'v1'}"), token, saved=True)


def configuration_path() -> Path:
    """`~/.canfar/config.yaml`."""
    return Path.home() / ".canfar" / "config.yaml"


def read_configuration(path: Path) -> Any:
    """The parsed configuration; None without a file. Raises NotLoggedInError for a file that cannot be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError) as error:
        # The text of a YAML error quotes the file, which holds tokens.
        why = error.strerror if isinstance(error, OSError) else "it is not YAML"
        raise NotLoggedInError(f"cannot read {path}: {why}", _HOW) from None


class Identity:
    """The login of a client. A saved token is read again when the server refuses the one in use."""

    def __init__(self, url: str | None, token: str | None, path: Path | None = None) -> None:
        """Takes the arguments of a client; `path` is that of the configuration."""
        self._url, self._path = url, path or configuration_path()
        self._lock = threading.Lock()
        given = bool(token) or bool(os.environ.get("CANFAR_TOKEN"))
        try:
            configuration = read_configuration(self._path)
        except NotLoggedInError:
            if not given:
                raise
            configuration = None
        self._login = login_from(url, token, os.environ, configuration, time.time())

    @property
    def addresses(self) -> Addresses:
        """The server."""
        return self._login.addresses

    @property
    def token(self) -> str:
        """The token in use."""
        return self._login.token

    def renew(self, refused: str) -> bool:
        """Reads the configuration again. True if there is another token for the same server than the refused one."""
        with self._lock:
            if not self._login.saved:
                return False
            if self._login.token == refused:
                try:
                    fresh = saved_login(read_configuration(self._path), time.time())
                except NotLoggedInError:
                    return False
                if fresh.addresses.root != self._login.addresses.root:
                    return False
                self._login = Login(self._login.addresses, fresh.token, saved=True)
            return self._login.token != refused


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
