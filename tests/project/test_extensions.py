"""The extensions are used all together or not at all: if one is missing or stale, pure Python serves a file."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from support.checkout import CHECKOUT
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

import fastfile
from fastfile._extensions import COMPILED_SOURCES, KERNELS, MODULES, reason_against

pytestmark = pytest.mark.skipif(bool(fastfile.WHY_PURE), reason=f"no extensions here: {fastfile.WHY_PURE}")


def path_of(package: Path, name: str) -> Path:
    return package.joinpath(*name.split(".")).with_suffix(EXTENSION_SUFFIXES[0])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the package as an installation has it, with its extensions."""
    folder = tmp_path_factory.mktemp("installed") / "fastfile"
    shutil.copytree(CHECKOUT / "fastfile", folder, ignore=shutil.ignore_patterns("*.c", "__pycache__"))
    return folder


def version(package: Path) -> str:
    command = [sys.executable, "-m", "fastfile", "--version"]
    environ = {name: value for name, value in os.environ.items() if name != "FASTFILE_NO_EXTENSIONS"}
    environ["PYTHONPATH"] = str(package.parent)
    return subprocess.check_output(command, cwd=package.parent, env=environ, text=True, timeout=60).splitlines()[2]


def test_a_whole_installation_is_compiled(package: Path) -> None:
    assert version(package) == "compiled kernels"


@pytest.mark.parametrize("name", MODULES)
def test_one_missing_extension_is_a_reason_to_use_none(name: str, package: Path, tmp_path: Path) -> None:
    extension = path_of(package, name)
    away = extension.rename(tmp_path / extension.name)
    try:
        assert reason_against(str(package)) == reason_without(name)
    finally:
        away.rename(extension)


# The kernels, and modules that others extend, or that extend others: compiled and pure layouts must not meet.
@pytest.mark.parametrize("name", [*KERNELS, COMPILED_SOURCES[0], "server.net.connection", COMPILED_SOURCES[-1]])
def test_without_one_extension_none_is_used_and_a_file_is_served(name: str, package: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello")
    extension = path_of(package, name)
    away = extension.rename(tmp_path / extension.name)
    try:
        assert version(package) == f"pure Python ({reason_without(name)}): slower"
        with (
            ServerProcess([str(tmp_path)], env={"PYTHONPATH": str(package.parent)}) as server,
            RawClient(server.connect()) as client,
        ):
            assert client.request("/hello.txt").body == b"hello"
    finally:
        away.rename(extension)


def reason_without(name: str) -> str:
    return "no extension is built" if name == MODULES[0] else f"the extension fastfile.{name} is missing"


def test_in_a_checkout_an_extension_older_than_a_source_is_stale(package: Path) -> None:
    setup = package.parent / "setup.py"
    setup.touch()
    source = package / "site" / "handler.py"
    before = source.stat()
    oldest = min(path_of(package, name).stat().st_mtime_ns for name in MODULES)
    try:
        for path in package.rglob("*.p*"):
            os.utime(path, ns=(oldest - 1, oldest - 1))
        assert version(package) == "compiled kernels"
        built = path_of(package, "site.handler").stat().st_mtime_ns
        os.utime(source, ns=(built + 1, built + 1))
        assert version(package) == "pure Python (site/handler.py is newer than its extension): slower"
    finally:
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        setup.unlink()
