"""Names and keys of jobs. Pure."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST_NAME = 63
_KEY_DIGITS = 10


def slug(text: str) -> str:
    """Letters, digits and single hyphens of a text, in lower case; `rule` if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "rule"


def workflow_id(folder: str) -> str:
    """Eight hexadecimal digits that stand for a workflow's folder."""
    return hashlib.sha256(folder.encode()).hexdigest()[:8]


def name_prefix(folder: str) -> str:
    """What the names of all jobs of a workflow's folder start with."""
    return f"smk-{workflow_id(folder)}-"


def job_name(folder: str, rule: str, key: str) -> str:
    """`smk-WORKFLOW-RULE-KEY`: at most 63 characters, and different for each submission."""
    prefix = name_prefix(folder)
    end = "-" + re.sub("[^a-z0-9]", "", key.lower())[:_KEY_DIGITS]
    return prefix + slug(rule)[: _LONGEST_NAME - len(prefix) - len(end)].strip("-") + end


def job_key(targets: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """What a job is, the same in every run: a hash of its rules and wildcards."""
    text = json.dumps(sorted([rule, sorted(wildcards.items())] for rule, wildcards in targets))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest(parts: Any) -> str:
    """A hash of what a job does. Values of other types than those of JSON count by their type alone."""
    text = json.dumps(parts, sort_keys=True, default=_stable)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stable(value: Any) -> Any:
    # The repr of other objects may hold an address, which differs in each run.
    if hasattr(value, "__fspath__"):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return type(value).__name__


def log_path(rule: str, wildcards: Mapping[str, str], identifier: str) -> str:
    """Where the fetched log of a job goes: `RULE/WILDCARD_VALUE.…/ID.log`, below a folder of logs."""
    values = [re.sub(r"[^\w.+@-]+", "_", f"{name}_{value}")[:100] for name, value in sorted(wildcards.items())]
    return "/".join([re.sub(r"[^\w.+@-]+", "_", rule)[:100], *values[:8], f"{identifier}.log"])
