"""The command that installs packages into the environment that fastfile runs in.

A plain ``pip install`` reaches another environment if pipx, uv or ``make build`` made this one. Imported only for an
error or a notice.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from shlex import join


def install_command(packages: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return the command for a shell."""
    prefix = sys.prefix
    if os.path.exists(os.path.join(prefix, "pipx_metadata.json")):
        parent, name = os.path.split(prefix)
        if os.path.basename(parent) == "venvs":  # else one that `pipx run` keeps for some days
            return join(["pipx", "inject", name, *packages])
        return _with("pipx run", packages)
    if _is_made_by_uv(prefix) and find_spec("pip") is None:
        # uv names itself to the programs that it starts; uvx and `uv tool` set no VIRTUAL_ENV, as `uv run` does.
        is_tool = os.path.exists(os.path.join(prefix, "uv-receipt.toml"))
        if environ.get("UV") and not is_tool and environ.get("VIRTUAL_ENV") != prefix:
            return _with("uvx", packages)
        return join(["uv", "pip", "install", "--python", prefix, *packages])
    pip = shutil.which("pip", path=environ.get("PATH"))
    if pip is not None and os.path.dirname(pip) == os.path.dirname(sys.executable):
        return join(["pip", "install", *packages])
    return join([sys.executable or "python3", "-m", "pip", "install", *packages])


def _with(command: str, packages: Sequence[str]) -> str:
    return " ".join([command, *(f"--with {package}" for package in packages), "…"])


def _is_made_by_uv(prefix: str) -> bool:
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            return any(line.partition("=")[0].strip() == "uv" for line in file)
    except OSError:
        return False
