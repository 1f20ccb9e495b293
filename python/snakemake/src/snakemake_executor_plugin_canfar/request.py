"""From the resources of a Snakemake job to a request. Pure."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

OPTIONS = {
    "canfar_group": "group",
    "canfar_when": "when",
    "canfar_after": "after",
    "canfar_by": "by",
    "canfar_network": "network",
    "canfar_signal": "signal",
    "canfar_grace": "graceSeconds",
}
"""Resources that are fields of a submission."""


def known(resources: Mapping[str, Any], name: str) -> Any:
    """A resource that has a value: None where it is missing, not evaluated yet, or empty."""
    value = resources.get(name)
    return None if value is None or value == "" or type(value).__name__ == "TBDString" else value


def whole(resources: Mapping[str, Any], name: str) -> int | None:
    """A resource that is a number. Raises ValueError otherwise."""
    value = known(resources, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"the resource {name} is a number, not {value!r}")
    return math.ceil(value)


def sizes(resources: Mapping[str, Any], threads: int, margin: int) -> dict[str, Any]:
    """Cores, memory, GPUs and time limit of a job. Memory is rounded up to whole GiB; without `runtime` no time limit.

    Raises ValueError for a resource of the wrong type.
    """
    mebibytes = whole(resources, "mem_mib")
    if mebibytes is None:
        megabytes = whole(resources, "mem_mb")
        mebibytes = None if megabytes is None else math.ceil(megabytes * 1_000_000 / 2**20)
    minutes = whole(resources, "runtime")
    gpus = whole(resources, "gpu")
    if gpus is None:
        gpus = whole(resources, "gpus")
    return {
        "cores": max(1, threads),
        "memory_gb": max(1, math.ceil((mebibytes or 1024) / 1024)),
        "gpus": gpus or 0,
        "time_seconds": None if minutes is None else minutes * 60 + margin,
    }


def options(resources: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Further fields of the submission: resources `canfar_…`, then `defaults` (fields of the submission)."""
    chosen = {to: known(resources, name) for name, to in OPTIONS.items()}
    kind = known(resources, "gpu_model")
    return {
        name: value
        for name, value in {**chosen, "gpuKind": kind}.items()
        for value in [value if value is not None else defaults.get(name)]
        if value is not None
    }


def image_of(
    resources: Mapping[str, Any], containers: Iterable[str | None], *, use_containers: bool, default: str | None
) -> str:
    """The image of a job: `canfar_image`, then the `container:` of its rules, then the default.

    Raises ValueError if the rules of a group differ, or if there is no image.
    """
    own = known(resources, "canfar_image")
    if own is not None:
        return str(own)
    if use_containers:
        images = {text.removeprefix("docker://") for text in containers if text}
        if len(images) > 1:
            raise ValueError(
                f"the rules of this group have different containers: {', '.join(sorted(images))}. "
                "A group is one job with one image: set the resource canfar_image, or take a rule out of the group"
            )
        if images:
            return images.pop()
    if not default:
        raise ValueError("no image: set --canfar-image, or the resource canfar_image of the rule")
    return default
