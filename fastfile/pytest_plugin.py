"""Fixtures for pytest: servers of static files that start within a millisecond, with the requests that they got.

Nothing of fastfile is imported before a test asks for a fixture.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import pytest

if TYPE_CHECKING:
    from fastfile.embedding.options import ServerOptions
    from fastfile.embedding.server import Server

__all__ = ["MakeStaticServer", "ServeFiles"]

# The servers of a test, each with a mark in its log: what came later is of this test.
_servers = pytest.StashKey[list[tuple["Server", int]]]()


class MakeStaticServer(Protocol):
    """The type of the fixture ``make_static_server``."""

    def __call__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Unpack[ServerOptions],
    ) -> Server:
        """Serve a folder, by default that of ``static_server_root``, until the test ends."""


class ServeFiles(Protocol):
    """The type of the fixture ``serve_files``."""

    def __call__(
        self,
        files: Mapping[str, str | bytes],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Unpack[ServerOptions],
    ) -> Server:
        """Write files, by their paths, to a temporary folder, and serve it until the test ends."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the folder."""
    group = parser.getgroup("fastfile")
    text = "Folder that the fixtures fastfile_server and static_server serve"
    group.addoption("--fastfile-dir", metavar="DIR", help=text)
    parser.addini("fastfile_dir", f"{text}, relative to the root of the project")


@pytest.fixture(scope="session")
def fastfile_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for the whole session: of --fastfile-dir, of the ini-option, or else of the first build folder.

    Each worker of pytest-xdist has its own.
    """
    from fastfile import Server
    from fastfile.config.config import Config
    from fastfile.config.folder import resolve_clear_directory
    from fastfile.errors import ConfigError, StartError

    configured = _configured_folder(request.config)
    try:
        folder = configured or resolve_clear_directory(Config(), os.fspath(request.config.rootpath))
        server = Server(folder)
    except ConfigError as error:
        pytest.fail(f"fastfile_server: {error.problem}; give it with --fastfile-dir or fastfile_dir", pytrace=False)
    except StartError as error:
        pytest.fail(f"fastfile_server: {error}; it comes from --fastfile-dir or fastfile_dir", pytrace=False)
    with server:
        yield server


@pytest.fixture
def static_server_root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of ``static_server``: that of --fastfile-dir or of the ini-option, else an empty temporary folder.

    Override this fixture to serve another one.
    """
    configured = _configured_folder(request.config)
    if configured is not None:
        return configured
    folder = tmp_path / "static"
    folder.mkdir()
    return folder


@pytest.fixture
def make_static_server(request: pytest.FixtureRequest) -> Iterator[MakeStaticServer]:
    """A function that serves a folder with options until the test ends, and returns the server."""
    from fastfile import Server

    servers: list[Server] = []

    def make(
        directory: str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Unpack[ServerOptions],
    ) -> Server:
        folder = request.getfixturevalue("static_server_root") if directory is None else directory
        server = Server(folder, host=host, port=port, **options)
        servers.append(server)
        _watch(request.node, server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def static_server(make_static_server: MakeStaticServer) -> Server:
    """A server of ``static_server_root`` for one test."""
    return make_static_server()


@pytest.fixture
def serve_files(tmp_path_factory: pytest.TempPathFactory, make_static_server: MakeStaticServer) -> ServeFiles:
    """A function that serves files from a mapping of paths to contents until the test ends, and returns the server."""

    def serve(files: Mapping[str, str | bytes], **options: Any) -> Server:
        if not isinstance(files, Mapping):
            raise TypeError("serve_files() takes a mapping of paths to contents; make_static_server() serves a folder")
        folder = tmp_path_factory.mktemp("files")
        for name, content in files.items():
            path = folder / name.lstrip("/")
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{name} is not below the folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_static_server(folder, **options)

    return serve


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Note where the requests of a test begin, for the server of the session."""
    server = getattr(item, "funcargs", {}).get("fastfile_server")
    if server is not None:
        _watch(item, server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests of a failed test to its report."""
    report = yield
    if report.failed:
        for server, mark in item.stash.get(_servers, []):
            requests = server.requests.since(mark)
            name = f"requests to {server.url}" if server.is_running else "requests"
            report.sections.append((f"fastfile: {name}", server.requests.show(requests)))
    return report


def _watch(item: pytest.Item, server: Server) -> None:
    item.stash.setdefault(_servers, []).append((server, server.requests.mark()))


def _configured_folder(config: pytest.Config) -> Path | None:
    """Return the folder of the option, which is relative to where pytest was called, or of the ini-option."""
    option: str | None = config.getoption("--fastfile-dir")
    if option:
        return Path(config.invocation_params.dir, option)
    ini: str = config.getini("fastfile_dir")
    return config.rootpath / ini if ini else None
