"""The build: the content of the wheel and the sdist, and an installation from the sdist, compiled and pure."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from support.checkout import CHECKOUT

TIMEOUT_S = 900
KERNELS = ("_parser", "_sendfile")
DATA = (".css", ".js")
SOURCES = (".py", ".pyx", ".pxd", ".pyi", *DATA)
NO_COMPILER = {"CC": "/bin/false", "CXX": "/bin/false"}
COMPILER_WORKS = (
    shutil.which(os.environ.get("CC", "cc").split()[0]) is not None and os.environ.get("CC") != "/bin/false"
)
needs_compiler = pytest.mark.skipif(not COMPILER_WORKS, reason="no C compiler here")


def run(
    command: list[str], env: dict[str, str] | None = None, cwd: Path = CHECKOUT
) -> subprocess.CompletedProcess[str]:
    """Run a command with the build switches of this environment out of the way."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FASTFILE_", "PYTHONPATH"))}
    return subprocess.run(
        command, env={**clean, **(env or {})}, cwd=cwd, timeout=TIMEOUT_S, check=False, capture_output=True, text=True
    )


def must(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with what pyproject.toml says a build needs and nothing else, as pip makes one for each build."""
    folder = tmp_path_factory.mktemp("builder")
    venv.create(folder, with_pip=True)
    needed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["build-system"]["requires"]
    must(run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-compile", *needed]))
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, builder: str) -> Path:
    """Return the sdist, built from a copy of the tracked files only."""
    source = tmp_path_factory.mktemp("source") / "fastfile"
    ignore = shutil.ignore_patterns(".*", "build", "dist", "*.so", "*.c", "*.html", "*.egg-info", "__pycache__", "data")
    shutil.copytree(CHECKOUT, source, ignore=ignore)
    backend = "from setuptools import build_meta; print(build_meta.build_sdist('out'))"
    must(run([builder, "-c", backend], cwd=source))
    (archive,) = (source / "out").glob("*.tar.gz")
    return archive


def build_wheel(builder: str, sdist: Path, into: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into)]
    return run([builder, "-m", "pip", "wheel", *options, str(sdist)], env)


def names_in(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def extensions_in(wheel: Path) -> set[str]:
    return {Path(name).name.split(".")[0] for name in names_in(wheel) if name.endswith(".so")}


def install(builder: str, sdist: Path, into: Path, env: dict[str, str]) -> list[str]:
    """Install the sdist into an empty environment and return its command, to be run outside of the source."""
    must(build_wheel(builder, sdist, into / "wheel", env))
    (wheel,) = (into / "wheel").iterdir()
    venv.create(into / "env")
    python = str(into / "env/bin/python")
    must(run([builder, "-m", "pip", "--python", python, "install", "--quiet", str(wheel)], cwd=into))
    return [str(into / "env/bin/fastfile")]


def test_the_sdist_holds_what_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = [path for path in (CHECKOUT / "fastfile").rglob("*") if path.suffix in SOURCES]
    assert {str(path.relative_to(CHECKOUT)) for path in tracked} <= names
    assert {f"fastfile/{kernel}.pyx" for kernel in KERNELS} <= names
    assert {"fastfile/py.typed", "LICENSE", "README.md", "CHANGELOG.md", "setup.py", "pyproject.toml"} <= names
    assert not [name for name in names if name.endswith((".so", ".c"))], "what a build leaves behind is not source"
    assert not [name for name in names if name.startswith("tests/")], "a part of the tests does not run"


@needs_compiler
def test_a_compiler_gives_an_installation_with_every_kernel(builder: str, sdist: Path, tmp_path: Path) -> None:
    quickly = {"FASTFILE_REQUIRE_EXTENSIONS": "1", "FASTFILE_CFLAGS": "-O0 -g0"}
    command = install(builder, sdist, tmp_path, quickly)
    assert "pure" not in must(run([*command, "--version"], cwd=tmp_path)).lower()
    installed = next((tmp_path / "env").rglob("fastfile/__init__.py")).parent
    assert set(KERNELS) <= {path.name.split(".")[0] for path in installed.glob("*.so")}
    assert {path.name for path in (CHECKOUT / "fastfile").glob("*.py")} <= {path.name for path in installed.iterdir()}
    assert (installed / "py.typed").exists()
    data = [path.relative_to(CHECKOUT / "fastfile") for path in (CHECKOUT / "fastfile").rglob("*")]
    assert [path for path in data if path.suffix in DATA and not (installed / path).exists()] == []


def test_no_compiler_gives_an_installation_that_works_and_says_that_it_is_pure(
    builder: str, sdist: Path, tmp_path: Path
) -> None:
    command = install(builder, sdist, tmp_path, NO_COMPILER)
    assert "pure" in must(run([*command, "--version"], cwd=tmp_path)).lower()
    assert not list((tmp_path / "env").rglob("fastfile/**/*.so"))


def test_required_extensions_without_a_compiler_fail_the_build(builder: str, sdist: Path, tmp_path: Path) -> None:
    result = build_wheel(builder, sdist, tmp_path, {**NO_COMPILER, "FASTFILE_REQUIRE_EXTENSIONS": "1"})
    assert result.returncode != 0
    assert not list(tmp_path.glob("*.whl"))


def test_extensions_that_are_switched_off_are_not_built(builder: str, sdist: Path, tmp_path: Path) -> None:
    must(build_wheel(builder, sdist, tmp_path, {"FASTFILE_NO_EXTENSIONS": "1"}))
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert extensions_in(wheel) == set()
    held = {Path(name).suffix for name in names_in(wheel) if name.startswith("fastfile/")}
    assert held == {".py", ".pyi", ".typed", *DATA}, "sources of extensions are for who builds them"
