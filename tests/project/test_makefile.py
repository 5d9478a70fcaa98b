"""make serve: the folder is looked for first, and nothing is compiled for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.checkout import CHECKOUT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Make an environment whose programs write down how they were called."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("pip", "python", "fastfile"):
        path = programs / name
        path.write_text(
            f'#!/bin/sh\nfor word; do printf "%s|" "$word"; done | sed "s/^/{name} /" >> "{tmp_path}/calls"\n'
        )
        with path.open("a") as script:
            script.write(f'echo >> "{tmp_path}/calls"\n')
        path.chmod(0o755)
    return tmp_path


def serve(environment: Path, folder: str) -> tuple[int, str, list[str]]:
    done = subprocess.run(
        ["make", "serve", f"DIR={folder}", f"VENV={environment / 'venv'}", f"PYTHON={environment / 'venv/bin/python'}"],
        cwd=CHECKOUT,
        # Nothing else: a make that runs the tests exports its variables, such as ARGS.
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = environment / "calls"
    return done.returncode, done.stderr, calls.read_text().splitlines() if calls.exists() else []


def test_a_folder_that_is_not_there_is_said_before_anything_is_installed(environment: Path) -> None:
    status, errors, calls = serve(environment, "./no such dist")
    assert status != 0
    assert "DIR=./no such dist: no such folder or file" in errors
    assert calls == []


@pytest.mark.parametrize("name", ["dist", "my site", "it's"])
def test_a_folder_is_served_from_the_checkout_without_installing_anything(environment: Path, name: str) -> None:
    (environment / name).mkdir()
    status, _, calls = serve(environment, str(environment / name))
    assert status == 0
    assert calls[0].startswith("python -c|import sys;"), "a Python that is too old says so"
    assert calls[1:] == [f"python -m|fastfile|{environment / name}|"]


def test_what_is_compiled_is_served_as_it_is(environment: Path) -> None:
    (environment / "venv" / "ready").touch()
    status, _, calls = serve(environment, str(environment))
    assert (status, calls) == (0, [f"fastfile {environment}|"])
