from __future__ import annotations

from pathlib import Path

import pytest

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.store import Store


@pytest.fixture(params=["file", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/store" if request.param == "file" else str(request.getfixturevalue("s3_location"))


@pytest.fixture
def store(location: str) -> Store:
    return open_store(parse_location(location))
