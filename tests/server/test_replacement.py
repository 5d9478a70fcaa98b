"""Replaced workers: their transfers are completed, and one generation is left in the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import ONE_LOOP, ServerProcess
from support.watching import SMALL, ask, until

from fastfile.server.confinement.sandbox import landlock_abi

HUGE = 64 * 1024 * 1024  # far more than sockets hold
NO_GRACE = ("--grace", "0")  # only a stop may end transfers at once
RELOADED = "fastfile: reloaded the settings; "
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_bytes(SMALL)
    with (root / "huge.bin").open("wb") as file:
        for number in range(HUGE // 1024):
            file.write(number.to_bytes(4, "big") * 256)
    return root


@contextlib.contextmanager
def download(server: ServerProcess, folder: Path) -> Iterator[None]:
    """A client that reads its response only when the block has ended, and gets it whole."""
    content = (folder / "huge.bin").read_bytes()
    with RawClient(server.connect()) as client:
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        yield
        assert client.receive().body == content


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_download_is_whole_after_a_reload_of_a_server_without_grace(folder: Path, loop: str) -> None:
    with ServerProcess(["--loop", loop, *NO_GRACE, str(folder)]) as server:
        (old,) = server.wait_for_workers(1)
        with download(server, folder):
            server.signal(signal.SIGHUP)
            until(lambda: RELOADED in server.stderr, "the successor serves")
            assert ask(server) == 200
        until(lambda: old not in server.worker_pids(), "the old worker ends with its transfer")
        assert server.stderr == RELOADED + "1 worker serves\n"


def test_a_download_is_whole_after_a_rotation_of_the_log_and_its_worker_is_the_same(
    folder: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with ServerProcess(["--log-file", str(log), *NO_GRACE, str(folder)]) as server:
        workers = server.wait_for_workers(1)
        with download(server, folder):
            log.rename(tmp_path / "log.1")
            server.signal(signal.SIGUSR1)
            until(log.exists, "the log is opened again")
        until(lambda: b"/huge.bin" in log.read_bytes(), "its line is in the new file")
        assert server.wait_for_workers(1) == workers


@pytest.mark.skipif(landlock_abi() == 0, reason="this kernel has no Landlock")
def test_a_download_is_whole_after_the_root_was_replaced_by_one_that_only_new_workers_may_read(folder: Path) -> None:
    arguments = ["--sandbox", "require", *NO_GRACE, str(folder)]
    with ServerProcess(arguments, env={"HOME": str(folder.parent)}) as server:
        (old,) = server.wait_for_workers(1)
        content = folder.with_name("old")
        with download(server, folder), RawClient(server.connect()) as client:
            shutil.move(folder, content)
            folder.mkdir()
            (folder / "index.html").write_bytes(SMALL)
            assert client.request("/").status == 503
            until(lambda: len(server.worker_pids()) == 2, "the successor is there")
            until(lambda: ask(server) == 200, "and serves")
        until(lambda: old not in server.worker_pids(), "the old worker ends with its transfer")


def test_a_transfer_without_a_reader_ends_with_the_drain_timeout(folder: Path) -> None:
    with ServerProcess(["--drain-timeout", "1", str(folder)]) as server, RawClient(server.connect()) as client:
        (old,) = server.wait_for_workers(1)
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        server.signal(signal.SIGHUP)
        until(lambda: old not in server.worker_pids(), "the old worker ends")


def test_a_stop_gives_the_workers_that_were_replaced_their_grace_and_no_more(folder: Path) -> None:
    with ServerProcess(["--grace", "0.5", str(folder)]) as server, RawClient(server.connect()) as client:
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        server.signal(signal.SIGHUP)
        until(lambda: RELOADED in server.stderr, "the successor serves")
        assert len(server.worker_pids()) == 2
        assert server.stop() == 0


def test_of_many_generations_that_still_send_the_oldest_are_stopped(folder: Path) -> None:
    with contextlib.ExitStack() as clients, ServerProcess([*NO_GRACE, str(folder)]) as server:
        (first,) = server.wait_for_workers(1)
        reloads = 0
        while first in server.worker_pids():
            assert reloads < 30, "the first still sends"
            client = clients.enter_context(RawClient(server.connect()))
            client.send("/huge.bin")
            client.connection.recv(1000, socket.MSG_PEEK)
            server.signal(signal.SIGHUP)
            reloads += 1
            until(lambda reloads=reloads: server.stderr.count(RELOADED) == reloads, "it is reloaded")
            # A worker that a client has missed, because it got the one before, ends at once: the next makes up for it.
            until(lambda: len(server.worker_pids()) <= 9, "at most eight generations send beside the new one")
        assert reloads >= 9
        assert len(server.worker_pids()) >= 8, "the others send"


# One generation in the end


def test_a_reload_that_fails_while_another_starts_leaves_one_generation(folder: Path) -> None:
    """The good one is never told to end by the failed one, nor the one before it by the good one."""
    settings = folder.parent / "fastfile.toml"
    settings.write_text("workers = 2\n")
    with ServerProcess([str(folder)], cwd=str(folder.parent)) as server:
        before = server.wait_for_workers(2)
        server.signal(signal.SIGHUP)
        until(lambda: set(server.worker_pids()) - set(before), "the good one starts")
        settings.write_text("workers = 2\nlog-file = 'missing/log'\n")
        server.signal(signal.SIGHUP)
        until(lambda: "stay in force" in server.stderr, "the bad one has failed")
        until(lambda: len(server.worker_pids()) == 2, "one generation is left")
        assert not set(before) & set(server.worker_pids())
        assert ask(server) == 200


@linux
def test_many_reloads_at_once_start_few_workers(folder: Path) -> None:
    with ServerProcess(["--workers", "2", str(folder)]) as server:
        server.wait_for_workers(2)
        for _ in range(60):
            server.signal(signal.SIGHUP)
        until(lambda: server.stderr.count(RELOADED) >= 1, "it is reloaded")
        until(lambda: len(server.worker_pids()) == 2, "one generation is left")
        assert server.stderr.count(RELOADED) <= 5
        assert ask(server) == 200


def test_a_reload_that_is_asked_for_during_another_reads_the_settings_of_then(folder: Path) -> None:
    settings = folder.parent / "fastfile.toml"
    settings.write_text("workers = 1\n")
    with ServerProcess([str(folder)], cwd=str(folder.parent)) as server:
        (old,) = server.wait_for_workers(1)
        server.signal(signal.SIGHUP)
        until(lambda: len(server.worker_pids()) == 2 or old not in server.worker_pids(), "the next one starts")
        settings.write_text("workers = 3\n")
        server.signal(signal.SIGHUP)
        until(lambda: "3 workers serve" in server.stderr, "the last settings hold")
        server.wait_for_workers(3)


# What a worker holds


@linux
def test_inherited_descriptors_are_closed_in_workers(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        with ServerProcess(["--workers", "2", str(folder)], pass_fds=[reader, writer]) as server:
            pipe = os.readlink(f"/proc/self/fd/{writer}")
            for pid in server.wait_for_workers(2):
                held = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
                assert pipe not in held
            assert ask(server) == 200
    finally:
        os.close(reader)
        os.close(writer)
