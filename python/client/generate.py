"""Writes src/science_platform/model.py: a dataclass for each object of the API that the client sends or receives.

python generate.py            writes the file
python generate.py --check    exits with 1 when the file is not what the OpenAPI document says
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "packages" / "contract" / "openapi.json"
TARGET = HERE / "src" / "science_platform" / "model.py"

#: The objects that the methods of the client send or return. What they contain comes along.
ROOTS = [
    *(
        "Account",
        "CancelRequest",
        "CancelledJobs",
        "EndedJob",
        "Job",
        "JobEvent",
        "JobEvents",
        "JobPage",
        "JobRequest",
        "QueueOverview",
    ),
    *("Submitted", "Waited", "WaitRequest", "Why"),
]
#: Names for values that several objects share.
LITERALS = {"Job.state": "JobState", "Cause.code": "CauseCode"}

#: Fields that may hold passwords: no part of a repr.
SECRET = {"env"}

HEAD = '''"""The objects of the API, generated from its OpenAPI document by generate.py: do not edit.

Instants are text (RFC 3339, UTC, with milliseconds), such as `2026-11-23T08:37:45.120Z`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from .record import Record
'''


def snake(name: str) -> str:
    """The attribute of a field: `memoryGb` becomes `memory_gb`, and `from` becomes `from_`."""
    text = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)
    return f"{text}_" if text in {"from", "global", "class", "in", "is", "not", "or", "and"} else text


class Writer:
    """Collects the classes in the order in which they were needed."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        """Takes the schemas of the document's components."""
        self.schemas = schemas
        self.names = {json.dumps(schema, sort_keys=True): name for name, schema in reversed(schemas.items())}
        self.classes: dict[str, str] = {}
        self.literals: dict[str, str] = {}
        self.by_values: dict[str, str] = {}
        for path, name in LITERALS.items():
            owner, prop = path.split(".")
            values = ", ".join(json.dumps(value) for value in schemas[owner]["properties"][prop]["enum"])
            self.literals[name] = f"{name}: TypeAlias = Literal[{values}]"
            self.by_values[values] = name

    def type_of(self, schema: dict[str, Any], path: str) -> tuple[str, str | None]:
        """The type of a field, and the class of the objects in it."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            self.add(name, self.schemas[name])
            return name, name
        if "enum" in schema:
            values = ", ".join(json.dumps(value) for value in schema["enum"])
            return self.by_values.get(values, f"Literal[{values}]"), None
        if "anyOf" in schema:
            kinds = [self.type_of(one, path)[0] for one in schema["anyOf"]]
            return " | ".join(dict.fromkeys(kinds)), None
        match schema.get("type"):
            case "array":
                inner, record = self.type_of(schema["items"], path)
                return f"list[{inner}]", record
            case "object" if "properties" in schema:
                bare = {key: value for key, value in schema.items() if key != "description"}
                name = self.names.get(json.dumps(bare, sort_keys=True), path)
                self.add(name, schema)
                return name, name
            case "object":
                inner, _ = self.type_of(schema.get("additionalProperties", {}), path)
                return f"dict[str, {inner}]", None
            case kind:
                kinds = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
                return kinds.get(str(kind), "Any"), None

    def add(self, name: str, schema: dict[str, Any]) -> None:
        """Adds the class of an object, after the classes of the objects in it."""
        if name in self.classes:
            return
        self.classes[name] = ""
        required = set(schema.get("required", []))
        fields: list[str] = []
        shape: list[str] = []
        properties = schema["properties"].items()
        for prop, inner in sorted(properties, key=lambda one: one[0] not in required):
            kind, record = self.type_of(inner, name + prop[0].upper() + prop[1:])
            attribute = snake(prop)
            optional = "" if prop in required else " = None"
            if prop in SECRET:
                optional = " = field(default=None, repr=False)" if optional else " = field(repr=False)"
            if prop not in required and kind not in {"None", "Any"}:
                kind += " | None"
            fields.append(f"    {attribute}: {kind}{optional}")
            description = inner.get("description")
            if description:
                fields.append(f'    """{wrapped(description, 4)}"""')
            shape.append(f"        {json.dumps(prop)}: ({json.dumps(attribute)}, {record}),")
        text = schema.get("description", f"`{name}` of the API.")
        lines = [
            "@dataclass(frozen=True, kw_only=True)",
            f"class {name}(Record):",
            f'    """{wrapped(text, 4)}"""',
            "",
            "    shape: ClassVar[dict[str, tuple[str, type[Record] | None]]] = {",
            *shape,
            "    }",
            "",
            *fields,
            "    extra: dict[str, Any] = field(default_factory=dict, repr=False)",
            '    """Fields that this version of the client does not know."""',
        ]
        del self.classes[name]
        self.classes[name] = "\n".join(lines)

    def module(self) -> str:
        """The whole file, formatted."""
        for root in ROOTS:
            self.add(root, self.schemas[root])
        names = sorted([*self.classes, *self.literals])
        exported = "__all__ = [" + ", ".join(json.dumps(name) for name in names) + "]"
        text = "\n\n\n".join(
            [HEAD + "\n" + exported + "\n\n" + "\n".join(self.literals.values()), *self.classes.values()]
        )
        ruff = [sys.executable, "-m", "ruff", "format", "--config", str(HERE.parent / "ruff.toml"), "-"]
        return subprocess.run(ruff, input=text + "\n", capture_output=True, text=True, check=True).stdout


def wrapped(text: str, indent: int) -> str:
    """A docstring of lines below 118 characters."""
    lines: list[str] = []
    line = ""
    for word in text.replace("\\", "\\\\").split():
        if len(line) + len(word) + indent > 112:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    joined = ("\n" + " " * indent).join(lines)
    return joined if len(lines) == 1 else f"{joined}\n{' ' * indent}"


def generated() -> str:
    """The file as the OpenAPI document of this checkout says."""
    return Writer(json.loads(DOCUMENT.read_text())["components"]["schemas"]).module()


def main() -> int:
    """Writes the file, or compares it."""
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.read_text() == generated() else 1
    TARGET.write_text(generated())
    return 0


if __name__ == "__main__":
    sys.exit(main())
