"""External programs for tests: skipped if one is missing, a failure if nothing may be skipped, as in CI."""

from __future__ import annotations

import shutil
from typing import NoReturn

import pytest
from support.kernels import flag


def skip_or_fail(name: str) -> NoReturn:
    """End a test that cannot be run without ``name``."""
    if flag("FASTFILE_REQUIRE_PROGRAMS"):
        pytest.fail(f"{name} is required here: .ci/run installs it")
    pytest.skip(f"{name} is not installed")


def require_program(name: str) -> str:
    """Return the path of a program."""
    return shutil.which(name) or skip_or_fail(name)
