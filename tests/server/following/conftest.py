from __future__ import annotations

from pathlib import Path

import pytest
from support.published import PublishedFolder


@pytest.fixture
def published(tmp_path: Path) -> PublishedFolder:
    """An empty store of releases."""
    return PublishedFolder(tmp_path / "store")
