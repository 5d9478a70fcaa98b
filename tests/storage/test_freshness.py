"""A write to a served file shows in the next response, even while others request the same file all the time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import LOOPS, ServerProcess

from fastfile.storage.metadata import is_settled

ROUNDS = 40
CLIENTS = 8


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "a connection each"])
def test_a_request_after_a_write_gets_the_new_content(tmp_path: Path, loop: str, keep_alive: bool) -> None:
    path = tmp_path / "version.txt"
    path.write_bytes(b"0")
    stopping = threading.Event()
    fields = () if keep_alive else ("Connection: close",)

    def ask_all_the_time(server: ServerProcess) -> None:
        while not stopping.is_set():
            with RawClient(server.connect()) as client:
                client.request("/version.txt", "GET", *fields)
                while keep_alive and not stopping.is_set():
                    client.request("/version.txt")

    with ServerProcess(["--loop", loop, str(tmp_path)]) as server, RawClient(server.connect()) as kept:
        crowd = [threading.Thread(target=ask_all_the_time, args=(server,)) for _ in range(CLIENTS)]
        for thread in crowd:
            thread.start()
        try:
            for version in range(1, ROUNDS):
                while not is_settled(path.stat(), time.time_ns()):  # until then nothing is cached
                    kept.request("/version.txt")
                path.write_bytes(b"%d" % version)
                if keep_alive:
                    assert kept.request("/version.txt").body == b"%d" % version
                else:
                    with RawClient(server.connect()) as fresh:
                        assert fresh.request("/version.txt", "GET", *fields).body == b"%d" % version
        finally:
            stopping.set()
            for thread in crowd:
                thread.join()
