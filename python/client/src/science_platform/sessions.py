"""The methods of the published client's sessions, for programs that were written for it.

`from science_platform.sessions import Session` in the place of the import is the only change. The requests are those of the skaha
wire, which CANFAR speaks too. A request that fails raises an error, and is not left out of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpx

from .async_connection import AsyncConnection
from .connection import Connection
from .login import Identity
from .session_calls import SessionCalls, name_matches, session_forms, session_path
from .steps import log

__all__ = ["AsyncSession", "Session"]

#: A session as the wire has it: `id`, `name`, `status`, `startTime` and others.
Record: TypeAlias = dict[str, Any]


def _listed(ids: str | Sequence[str]) -> list[str]:
    return [ids] if isinstance(ids, str) else [*ids]


class Session(Connection):
    """Sessions on any skaha server: this platform, or the one that runs CANFAR."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        registry: tuple[str, str] | None = None,
        timeout: float = 30,
        concurrency: int = 16,
        configuration: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Opens no connection yet. Address, token and the other arguments are those of `Jobs`."""
        self._calls = SessionCalls(Identity(url, token, configuration), registry, concurrency)
        super().__init__(self._calls.addresses.root, timeout, transport)

    def create(
        self,
        name: str,
        image: str,
        cores: int | None = None,
        ram: int | None = None,
        kind: str = "headless",
        gpu: int | None = None,
        cmd: str | None = None,
        args: str | Sequence[str] | None = None,
        env: Mapping[str, Any] | None = None,
        replicas: int = 1,
    ) -> list[str]:
        """Creates a session, or `replicas` of them named NAME-1, NAME-2, …, and returns the ids in order.

        A list of `args` is quoted, so that this platform reads the same words. The reference server splits at single spaces and knows
        no quotes: use plain words there.
        """
        forms = session_forms(name, image, cores, ram, kind, gpu, cmd, args, env, replicas)
        return self._run(self._calls.create(forms))

    def fetch(self, kind: str | None = None, status: str | None = None) -> list[Record]:
        """Your sessions."""
        answer: list[Record] = self._run(self._calls.json("/session", {"type": kind, "status": status}))
        return answer

    def info(self, ids: str | Sequence[str]) -> list[Record]:
        """The record of each session."""
        requests = [self._calls.get(session_path(id)) for id in _listed(ids)]
        answers = self._run(self._calls.each(requests))
        return [self._calls.parsed(answer, request) for answer, request in zip(answers, requests, strict=True)]

    def logs(self, ids: str | Sequence[str], verbose: bool = False) -> dict[str, str]:
        """The output of each session so far, by id. `verbose` also logs it."""
        return self._views("logs", _listed(ids), verbose)

    def events(self, ids: str | Sequence[str], verbose: bool = False) -> list[dict[str, str]]:
        """The table of events of each session, by id. `verbose` also logs it."""
        views = self._views("events", _listed(ids), verbose)
        return [{id: text} for id, text in views.items()]

    def stats(self) -> Record:
        """Capacity of the platform, and how much of it is in use."""
        answer: Record = self._run(self._calls.json("/session", {"view": "stats"}))
        return answer

    def destroy(self, ids: str | Sequence[str]) -> dict[str, bool]:
        """Ends and removes sessions."""
        self._run(self._calls.each([self._calls.delete(id) for id in _listed(ids)]))
        return dict.fromkeys(_listed(ids), True)

    def destroy_with(self, prefix: str, kind: str = "headless", status: str = "Completed") -> dict[str, bool]:
        """Destroys the sessions whose name begins with a prefix.

        A prefix with any of `.^$*+?{}[]()|` is a regular expression that may match anywhere.
        """
        found = self.fetch(kind, status)
        return self.destroy([one["id"] for one in found if name_matches(prefix, one["name"])])

    def renew(self, ids: str | Sequence[str]) -> dict[str, bool]:
        """Sets the expiry of sessions back to the full time."""
        self._run(self._calls.each([self._calls.renew(id) for id in _listed(ids)]))
        return dict.fromkeys(_listed(ids), True)

    def _views(self, view: str, ids: Sequence[str], verbose: bool) -> dict[str, str]:
        requests = [self._calls.get(session_path(id), {"view": view}) for id in ids]
        answers = self._run(self._calls.each(requests))
        texts = {id: answer.content.decode(errors="replace") for id, answer in zip(ids, answers, strict=True)}
        if verbose:
            for id, text in texts.items():
                log.info("%s of %s:\n%s", view, id, text)
        return texts


class AsyncSession(AsyncConnection):
    """`Session` for asyncio."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        registry: tuple[str, str] | None = None,
        timeout: float = 30,
        concurrency: int = 16,
        configuration: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Opens no connection yet. Address, token and the other arguments are those of `Jobs`."""
        self._calls = SessionCalls(Identity(url, token, configuration), registry, concurrency)
        super().__init__(self._calls.addresses.root, timeout, transport)

    async def create(
        self,
        name: str,
        image: str,
        cores: int | None = None,
        ram: int | None = None,
        kind: str = "headless",
        gpu: int | None = None,
        cmd: str | None = None,
        args: str | Sequence[str] | None = None,
        env: Mapping[str, Any] | None = None,
        replicas: int = 1,
    ) -> list[str]:
        """Creates a session, or `replicas` of them named NAME-1, NAME-2, …, and returns the ids in order.

        A list of `args` is quoted, so that this platform reads the same words. The reference server splits at single spaces and knows
        no quotes: use plain words there.
        """
        forms = session_forms(name, image, cores, ram, kind, gpu, cmd, args, env, replicas)
        return await self._run(self._calls.create(forms))

    async def fetch(self, kind: str | None = None, status: str | None = None) -> list[Record]:
        """Your sessions."""
        answer: list[Record] = await self._run(self._calls.json("/session", {"type": kind, "status": status}))
        return answer

    async def info(self, ids: str | Sequence[str]) -> list[Record]:
        """The record of each session."""
        requests = [self._calls.get(session_path(id)) for id in _listed(ids)]
        answers = await self._run(self._calls.each(requests))
        return [self._calls.parsed(answer, request) for answer, request in zip(answers, requests, strict=True)]

    async def logs(self, ids: str | Sequence[str], verbose: bool = False) -> dict[str, str]:
        """The output of each session so far, by id. `verbose` also logs it."""
        return await self._views("logs", _listed(ids), verbose)

    async def events(self, ids: str | Sequence[str], verbose: bool = False) -> list[dict[str, str]]:
        """The table of events of each session, by id. `verbose` also logs it."""
        views = await self._views("events", _listed(ids), verbose)
        return [{id: text} for id, text in views.items()]

    async def stats(self) -> Record:
        """Capacity of the platform, and how much of it is in use."""
        answer: Record = await self._run(self._calls.json("/session", {"view": "stats"}))
        return answer

    async def destroy(self, ids: str | Sequence[str]) -> dict[str, bool]:
        """Ends and removes sessions."""
        await self._run(self._calls.each([self._calls.delete(id) for id in _listed(ids)]))
        return dict.fromkeys(_listed(ids), True)

    async def destroy_with(self, prefix: str, kind: str = "headless", status: str = "Completed") -> dict[str, bool]:
        """Destroys the sessions whose name begins with a prefix.

        A prefix with any of `.^$*+?{}[]()|` is a regular expression that may match anywhere.
        """
        found = await self.fetch(kind, status)
        return await self.destroy([one["id"] for one in found if name_matches(prefix, one["name"])])

    async def renew(self, ids: str | Sequence[str]) -> dict[str, bool]:
        """Sets the expiry of sessions back to the full time."""
        await self._run(self._calls.each([self._calls.renew(id) for id in _listed(ids)]))
        return dict.fromkeys(_listed(ids), True)

    async def _views(self, view: str, ids: Sequence[str], verbose: bool) -> dict[str, str]:
        requests = [self._calls.get(session_path(id), {"view": view}) for id in ids]
        answers = await self._run(self._calls.each(requests))
        texts = {id: answer.content.decode(errors="replace") for id, answer in zip(ids, answers, strict=True)}
        if verbose:
            for id, text in texts.items():
                log.info("%s of %s:\n%s", view, id, text)
        return texts
