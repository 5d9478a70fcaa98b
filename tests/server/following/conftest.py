from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.published import PublishedFolder
from support.s3server import S3Server

NUMBERS = itertools.count()


@pytest.fixture
def published(tmp_path: Path) -> PublishedFolder:
    """An empty store of releases."""
    return PublishedFolder(tmp_path / "store")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    pytest.importorskip("obstore")
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture
def s3_location(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an empty location of the server; this process has the credentials."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/site{next(NUMBERS)}"
