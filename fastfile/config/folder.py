"""Which folder or file is served: the one that the user named, or a build folder that is there."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fastfile.config.config import Config
from fastfile.config.nearest import closest
from fastfile.errors import StartError
from fastfile.terminal import printable

DEFAULT_FOLDERS = ("./dist", "./build", "./public", "./out", "./_site")


def resolve_directory(config: Config, folder: str = "", others: Sequence[str] = ()) -> str:
    """Return the path of the folder or file to serve, relative to ``folder``. Raises StartError, for mounts too.

    ``others`` are words that may have been meant in place of a folder that is not there.
    """
    for _, mounted in config.mount:
        _check_readable(os.path.join(folder, mounted), mounted)
    if config.directory is None:
        candidates = [os.path.join(folder, name) for name in DEFAULT_FOLDERS]
        return next(filter(os.path.isdir, candidates), folder or ".")
    path = os.path.join(folder, config.directory)
    _check_readable(path, config.directory, others)
    return path


def _check_readable(path: str, given: str, others: Sequence[str] = ()) -> None:
    shown = printable(given)
    if not os.path.exists(path):
        raise StartError(f"{shown}: no such folder or file{closest(given, [*_neighbours(path), *others])}")
    if not (os.path.isdir(path) or os.path.isfile(path)):
        raise StartError(f"{shown}: neither a folder nor a file")
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        raise StartError(f"{shown}: no permission to read it")


def _neighbours(path: str) -> list[str]:
    """Return what is there beside a path that is not, spelled in the same way."""
    folder = os.path.dirname(path)
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder or ".")]
    except OSError:
        return []
