"""Fixtures that more than one test file uses. Kernel tests take the implementation from here."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.kernels import KERNEL_KINDS, load_kernel
from support.rawclient import RawClient
from support.s3server import S3Server, share_server
from support.serverprocess import ServerProcess

from fastfile.storage.root import Root

if TYPE_CHECKING:
    from selenium import webdriver

_LOCATIONS = itertools.count()

# The same inputs in each run, and no time limit, since another process may have the processor. The fuzzers (`make
# fuzz`) go on with other inputs.
settings.register_profile("fastfile", max_examples=50, derandomize=True, deadline=None, database=None)
settings.load_profile("fastfile")


# A shell ignores these in what it starts in the background, and each process that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the builds first: each takes a minute, and at the end other processes would wait for them."""
    items.sort(key=lambda item: item.path.name != "test_packaging.py")


def pytest_collection_finish() -> None:
    """Hide the tests themselves from the collector: each gc.collect() in a test took 0.2 s to look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=KERNEL_KINDS)
def parser_kernel(request: pytest.FixtureRequest) -> ModuleType:
    return load_kernel("_parser", request.param)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server, one for all processes of the run."""
    pytest.importorskip("obstore")
    base = tmp_path_factory.getbasetemp()
    with share_server((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "s3") as server:
        yield server


@pytest.fixture
def s3_location(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty location of the server; this process has the credentials."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{os.getpid()}/site {next(_LOCATIONS)}"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    """An empty folder, opened."""
    folder = tmp_path / "root"
    folder.mkdir()
    opened = Root(os.fsencode(folder))
    yield opened
    opened.close()


@pytest.fixture
def folder(root: Root) -> Path:
    return Path(os.fsdecode(root.path))


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[ServerProcess]:
    """A server of the module's ``site``."""
    with ServerProcess([str(site)]) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[RawClient]:
    with RawClient(server.connect()) as connected:
        yield connected


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    # Selenium is not installed for runs of only the server's core tests.
    from support.chromium import open_browser

    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
