"""Runs ruff, mypy --strict and pytest of every distribution in this folder, with the environment's Python.

    npm run python                        all distributions
    npm run python -- client              one of them
    npm run python -- client -k wait      one of them; what follows goes to pytest, and the static checks are left out

Prints "N passed, N failed" at the end, where each static check counts as one. Exits with 1 after any failure.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).resolve().parent
#: The examples of the users' pages, by the distribution whose types check them.
EXAMPLES = {
    name: FOLDER.parent / "examples" / folder
    for name, folder in {"client": "python", "prefect": "prefect", "parsl": "parsl"}.items()
}
#: Distributions whose tests run at the same time.
TESTS_AT_ONCE = 3
CACHE = FOLDER.parent / ".cache" / "python"
ENVIRONMENT = Path(sys.prefix)


def install(distributions: list[Path]) -> None:
    """Installs the distributions of this checkout in editable form, again when a pyproject.toml changes."""
    manifests = [(one / "pyproject.toml").read_bytes() for one in distributions]
    wanted = hashlib.sha256(b"\0".join([str(FOLDER).encode(), *manifests])).hexdigest()
    stamp = ENVIRONMENT / "distributions"
    with (ENVIRONMENT / "distributions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        options = ["--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--no-index"]
        editable = [word for one in distributions for word in ("--editable", str(one))]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *editable], check=True)
        stamp.write_text(wanted)


def check(name: str, command: list[str], folder: Path) -> bool:
    """Runs a static check and prints its output only if it fails."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    passed = done.returncode == 0
    print(f"{'ok    ' if passed else 'FAILED'} {name:30} {time.monotonic() - started:5.1f} s", flush=True)
    if not passed:
        print((done.stdout + done.stderr).rstrip(), flush=True)
    return passed


def test(distribution: Path, arguments: list[str], alone: bool) -> tuple[int, int]:
    """Runs the tests of a distribution; returns how many passed and failed. A run without a test has failed.

    Prints as the tests go where they run alone, otherwise everything at their end.
    """
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        options = ["--quiet", "-o", f"cache_dir={CACHE / 'pytest' / distribution.name}", f"--junit-xml={report.name}"]
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        done = subprocess.run(
            command,
            cwd=distribution,
            check=False,
            text=True,
            stdout=None if alone else subprocess.PIPE,
            stderr=None if alone else subprocess.STDOUT,
        )
        try:
            suite = ElementTree.parse(report.name).getroot().find("testsuite")  # noqa: S314 our own file
        except ElementTree.ParseError:
            suite = None
    print(f"{done.stdout or ''}tests of {distribution.name}: {time.monotonic() - started:.0f} s", flush=True)
    if suite is None:
        return 0, 1
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    return passed, failed if failed or done.returncode == 0 else 1


def main(arguments: list[str]) -> int:
    """Checks the distribution named by the first argument, or all of them."""
    distributions = sorted(manifest.parent for manifest in FOLDER.glob("*/pyproject.toml"))
    install(distributions)
    # mypy and pytest of a distribution see the others as installed packages.
    os.environ["PATH"] = f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
    chosen = distributions
    if arguments:
        name, *arguments = arguments
        chosen = [one for one in distributions if one.name == name]
        if not chosen:
            names = ", ".join(one.name for one in distributions)
            print(f"check.py: no distribution '{name}'; the distributions are {names}", file=sys.stderr)
            return 2
    passed = failed = 0
    if not arguments:
        ruff_cache = ["--quiet", "--cache-dir", str(CACHE / "ruff"), ".", *map(str, EXAMPLES.values())]
        results = [
            check("ruff check", ["ruff", "check", *ruff_cache], FOLDER),
            check("ruff format", ["ruff", "format", "--check", *ruff_cache], FOLDER),
        ]
        for one in chosen:
            mypy = ["mypy", "--config-file", str(FOLDER / "mypy.ini"), "--cache-dir", str(CACHE / "mypy" / one.name)]
            examples = [str(EXAMPLES[one.name])] if one.name in EXAMPLES else []
            results.append(check(f"mypy --strict {one.name}", [*mypy, "src", "tests", *examples], one))
        passed, failed = results.count(True), results.count(False)
    # At the same time: most tests wait for servers and jobs, not for the processor. Those with the most code first: they take longest.
    longest_first = sorted(chosen, key=lambda one: -sum(file.stat().st_size for file in one.glob("tests/*.py")))
    with ThreadPoolExecutor(TESTS_AT_ONCE) as pool:
        outcomes = [*pool.map(lambda one: test(one, arguments, len(chosen) == 1), longest_first)]
    passed, failed = passed + sum(good for good, _ in outcomes), failed + sum(bad for _, bad in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
