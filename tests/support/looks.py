"""The file system accesses of a request: the names that it stats or opens, in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastfile.storage import root, view

CALLS = ((os, "stat"), (os, "open"), (os, "readlink"), (view, "read_signature"), (root, "read_signature"))


class Looks:
    """Records each system call on a name beneath a folder; ``names`` are relative to it, "." is the folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self._prefix = os.fsencode(folder)
        self._is_inside = False
        for module, name in CALLS:
            monkeypatch.setattr(module, name, self._noting(getattr(module, name)))

    def _noting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_inside:  # the pure kernel stats by os.stat
                return real(path, *args, **kwargs)
            if not isinstance(path, int):
                name = os.fsencode(path)
                if not name.startswith(b"/"):
                    name = self._prefix + b"/" + name
                self.names.append(os.path.relpath(os.fsdecode(name), os.fsdecode(self._prefix)))
            self._is_inside = True
            try:
                return real(path, *args, **kwargs)
            finally:
                self._is_inside = False

        return call
