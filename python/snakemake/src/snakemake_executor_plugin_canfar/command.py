"""The command of a job: a script on the shared file system, or a shell line in the request. Pure."""

import shlex
from collections.abc import Iterable, Mapping

LONGEST_WORD = 120_000
"""Bytes of a word of a command that Linux and the platform accept (below 128 KiB)."""


def script(folder: str, line: str) -> str:
    """A shell script that runs the line in a folder."""
    return f"#!/bin/sh\ncd {shlex.quote(folder)} || exit 1\n{line}\n"


def launcher() -> str:
    """A script of each rule that runs the script of a job.

    All jobs of a rule have the same first words, by which the platform estimates run times.
    """
    return '#!/bin/sh\n# RULE.sh FOLDER KEY: runs the script of a job.\nexec sh "$1/$2.sh"\n'


def scratch_prelude(python: str) -> str:
    """What a job does first that does not see the workflow's folder.

    Snakemake calls `python` to unpack the workflow, which many images have as `python3` alone. `python` is quoted for a shell.
    """
    return f'cd /scratch && {{ command -v python >/dev/null || python() {{ {python} "$@"; }}; }} && '


def line_words(line: str) -> tuple[str, ...]:
    """The words of a command that runs a shell line of any length: a long one in pieces that the shell joins."""
    if len(line.encode()) <= LONGEST_WORD:
        return ("sh", "-c", line)
    pieces = list(_pieces(line, LONGEST_WORD // 4))
    # IFS joins the arguments without a blank between them.
    return ("sh", "-c", 'IFS=; line=$*; unset IFS; eval "$line"', "sh", *pieces)


def _pieces(text: str, size: int) -> Iterable[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def target_jobs(targets: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """The option that names the targets of a job, quoted for a shell.

    Snakemake splits its value at commas and strips quotes from the ends of values, so that such wildcards do not reach
    a job. Raises ValueError for them.
    """
    words = []
    for rule, wildcards in targets:
        for name, value in wildcards.items():
            if "," in value or value != value.strip("'\""):
                raise ValueError(
                    f"the wildcard {name} of rule {rule} has the value {value!r}: Snakemake cannot pass values with "
                    "commas, or with quotes at their ends, to a job. Rename the file, or make the rule a localrule"
                )
        words.append(f"{rule}:" + ",".join(f"{name}={value}" for name, value in wildcards.items()))
    return " ".join(["--target-jobs", *map(shlex.quote, words)])


def quoted(flag: str, values: Iterable[object]) -> str:
    """An option with values, quoted for a shell; empty without values."""
    words = [shlex.quote(str(value)) for value in values]
    return " ".join([flag, *words]) if words else ""
