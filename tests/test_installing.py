"""The command for a missing package: it must reach the environment that fastfile runs in."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.checkout import CHECKOUT

SCRIPT = "from fastfile.errors import tell_missing; print(tell_missing('segno', 'Brotli'))"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment without pip, as uv makes them."""
    folder = tmp_path_factory.mktemp("environments") / "venvs" / "fast file"
    venv.create(folder)
    return folder


def ask(environment: Path, **variables: str) -> str:
    """Return what fastfile, run in an environment, says about two missing packages."""
    environ = {"PYTHONPATH": str(CHECKOUT), "PATH": os.defpath} | variables
    command = [environment / "bin/python", "-c", SCRIPT]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout.rstrip("\n")


def test_the_pip_of_another_environment_is_not_used(environment: Path) -> None:
    expected = f"'{environment}/bin/python' -m pip install segno Brotli"
    assert ask(environment) == f"segno and Brotli are not installed; run: {expected}"
    assert ask(environment, PATH=os.path.dirname(sys.executable)).endswith(f"; run: {expected}")


def test_the_pip_of_an_active_environment_is_enough(environment: Path) -> None:
    pip = environment / "bin/pip"
    pip.touch(mode=0o755)
    try:
        told = ask(environment, PATH=str(pip.parent))
    finally:
        pip.unlink()
    assert told.endswith("; run: pip install segno Brotli")


MARKERS = [
    ({"pipx_metadata.json": "{}"}, {}, "pipx inject 'fast file' segno Brotli"),
    ({"pyvenv.cfg": "uv = 0.9"}, {}, "uv pip install --python '{}' segno Brotli"),
    ({"pyvenv.cfg": "uv = 0.9"}, {"UV": "/bin/uv"}, "uvx --with segno --with Brotli …"),
    ({"pyvenv.cfg": "uv = 0.9"}, {"UV": "/bin/uv", "VIRTUAL_ENV": "{}"}, "uv pip install --python '{}' segno Brotli"),
    (
        {"pyvenv.cfg": "uv = 0.9", "uv-receipt.toml": ""},
        {"UV": "/bin/uv"},
        "uv pip install --python '{}' segno Brotli",
    ),
]


def test_an_environment_of_pipx_run_has_no_name(tmp_path: Path) -> None:
    venv.create(tmp_path / "1a9611a0")
    (tmp_path / "1a9611a0" / "pipx_metadata.json").touch()
    assert ask(tmp_path / "1a9611a0").endswith("; run: pipx run --with segno --with Brotli …")


@pytest.mark.parametrize(("files", "variables", "expected"), MARKERS)
def test_the_program_that_made_the_environment_installs_into_it(
    files: dict[str, str], variables: dict[str, str], expected: str, environment: Path
) -> None:
    before = (environment / "pyvenv.cfg").read_text()
    try:
        for name, text in files.items():
            with open(environment / name, "a") as file:
                file.write(text + "\n")
        told = ask(environment, **{name: text.format(environment) for name, text in variables.items()})
    finally:
        for name in files:
            (environment / name).unlink()
        (environment / "pyvenv.cfg").write_text(before)
    assert told.endswith(f"; run: {expected.format(environment)}")
