"""An image for tests with the Python of this environment, and some of its packages."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

#: Where the image has the packages.
PACKAGES = "opt/packages"

_BASH = Path("/bin/bash")
_INTERPRETER = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3"}


def add_python(tar: tarfile.TarFile, packages: Sequence[str]) -> None:
    """Adds bash and Python with these packages, and what they need, to a layer."""
    files = {_INTERPRETER}
    for name in ("stdlib", "platstdlib"):
        folder = Path(sysconfig.get_path(name, vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix}))
        files.update(_files(folder))
    installed = {target: file for name in packages for target, file in _installed(name, set())}
    # Libraries have symbolic links as names.
    tar.dereference = True
    tar.add(_BASH, "bin/bash")
    for file in sorted({*files, *_libraries({_BASH, *files, *installed.values()})}):
        tar.add(file, str(file).lstrip("/"))
    for target, file in sorted(installed.items()):
        tar.add(file, f"{PACKAGES}/{target}")


def python_program(module: str) -> str:
    """A script of the image that runs a module."""
    return f'#!/bin/sh\nPYTHONPATH=/{PACKAGES} PYTHONDONTWRITEBYTECODE=1 exec {_INTERPRETER} -m {module} "$@"\n'


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in _LEFT_OUT or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif stat.S_ISREG(entry.stat().st_mode) and entry.suffix != ".a":
            yield entry


def _installed(name: str, seen: set[str]) -> Iterator[tuple[str, Path]]:
    """The files of a distribution and of those that it requires, with their paths below site-packages."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in seen:
        return
    seen.add(name)
    try:
        found = distribution(name)
    except PackageNotFoundError:
        # For another system or another Python.
        return
    for file in found.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield str(file), Path(str(file.locate()))
    for requirement in found.requires or []:
        if "extra ==" not in requirement:
            yield from _installed(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0], seen)


def _libraries(files: set[Path]) -> set[Path]:
    """The shared libraries that programs and libraries load, and the loader."""
    binaries = [file for file in files if file.suffix == ".so" or ".so." in file.name or file in (_BASH, _INTERPRETER)]
    if not binaries:
        return set()
    # ldd exits with 1 where one of them is static.
    told = subprocess.run(["ldd", *map(str, sorted(binaries))], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE)}
    return {path for path in found if path not in files}
