"""The plain transport: what it does where sendfile(2) is refused, and that it remembers where."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastfile import WHY_PURE
from fastfile.message import FileSlice
from fastfile.server.net import transport
from fastfile.server.net.transport import Copying, PlainTransport

CONTENT = os.urandom(10_000)
# Compiled, the call cannot be replaced: there a preloaded library refuses it, in test_kernel_faults.py.
pytestmark = pytest.mark.skipif(not WHY_PURE, reason="a compiled transport calls the kernel directly")


@pytest.fixture
def part(tmp_path: Path) -> Iterator[FileSlice]:
    (tmp_path / "file").write_bytes(CONTENT)
    with (tmp_path / "file").open("rb") as file:
        yield FileSlice(file, file.fileno(), 0, len(CONTENT))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.mark.parametrize("number", transport.REFUSALS, ids=[errno.errorcode[number] for number in transport.REFUSALS])
def test_a_file_system_that_refuses_sendfile_is_asked_once_and_its_files_are_copied(
    number: int,
    part: FileSlice,
    pair: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def refuse(*arguments: int) -> int:
        calls.append(arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(transport, "send_file", refuse)
    copying = Copying()
    for _ in range(2):  # as two connections
        one = PlainTransport(pair[0].fileno(), b"", copying)
        assert one.send_file(part, 100, 50) == 50
        assert pair[1].recv(100) == CONTENT[100:150]
    assert len(calls) == 1


def test_a_connection_that_fails_is_no_reason_to_copy(
    part: FileSlice, pair: tuple[socket.socket, socket.socket]
) -> None:
    copying = Copying()
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        PlainTransport(pair[0].fileno(), b"", copying).send_file(part, 0, 100)
    assert not copying.is_needed(part.fd)
