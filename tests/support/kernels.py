"""The twins of the kernels, and the switches of the test run."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


KERNEL_KINDS = ("pure",) if flag("FASTFILE_NO_EXTENSIONS") else ("compiled", "pure")


def load_kernel(name: str, kind: str) -> ModuleType:
    """Import one twin of a kernel; if a compiled one is missing, fail if it is required, else skip."""
    if kind == "pure":
        return importlib.import_module(f"fastfile.{name}_py")
    try:
        return importlib.import_module(f"fastfile.{name}")
    except ImportError as error:
        if flag("FASTFILE_REQUIRE_EXTENSIONS"):
            pytest.fail(f"the compiled {name} is required: {error}")
        pytest.skip(f"{name} is not compiled here")
