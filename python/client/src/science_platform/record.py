"""The base of what the API sends and takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

R = TypeVar("R", bound="Record")


class Record:
    """An object of the API. `from_json` and `to_json` translate names: `memoryGb` of the API is `memory_gb` here.

    `extra` holds the fields of an answer that this version does not know, under their names in the API. `to_json` writes them too.
    """

    #: Name in the API: the attribute, and the class of its objects where it has one.
    shape: ClassVar[Mapping[str, tuple[str, type[Record] | None]]] = {}

    extra: dict[str, Any]

    @classmethod
    def from_json(cls: type[R], value: Mapping[str, Any]) -> R:
        """The record in an answer. Fields that an older server does not send are None."""
        arguments: dict[str, Any] = {attribute: None for attribute, _ in cls.shape.values()}
        extra: dict[str, Any] = {}
        for name, content in value.items():
            if name in cls.shape:
                attribute, inner = cls.shape[name]
                arguments[attribute] = content if inner is None else _inner(inner, content)
            else:
                extra[name] = content
        make: Any = cls
        record: R = make(**arguments, extra=extra)
        return record

    def to_json(self) -> dict[str, Any]:
        """The object as the API writes it, without the fields that are None."""
        known = ((name, getattr(self, attribute)) for name, (attribute, _) in self.shape.items())
        return {**{name: _outer(content) for name, content in known if content is not None}, **self.extra}


def _inner(record: type[Record], content: Any) -> Any:
    if isinstance(content, Mapping):
        return record.from_json(content)
    if isinstance(content, list):
        return [_inner(record, one) for one in content]
    return content


def _outer(content: Any) -> Any:
    if isinstance(content, Record):
        return content.to_json()
    if isinstance(content, list | tuple):
        return [_outer(one) for one in content]
    return content
