from __future__ import annotations

from pathlib import Path

import pytest

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(parse_location(f"file://{tmp_path}/store"))
