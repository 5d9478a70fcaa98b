"""A worker's parts in one thread, whose n-th allocation fails on demand of its parent. Run as a program.

Arguments: the folder to serve, and a descriptor on which the parent writes numbers, a line each, and gets a byte back:
n makes the n-th allocation from then on fail, 0 none.
"""

from __future__ import annotations

import _testcapi
import asyncio
import os
import socket
import sys
from types import TracebackType

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.server.log.complaints import Complaints
from fastfile.server.net.clients import Clients
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Observers, Service
from fastfile.server.threads import Offload


def serve(folder: str, control: int) -> None:
    loop = asyncio.new_event_loop()
    clock = Clock()
    failures: list[str] = []
    commands = socket.socket(fileno=control)
    commands.setblocking(False)
    said = bytearray(16)

    def report(error: BaseException) -> None:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # a lock says so by a RuntimeError
            failures.append(repr(error))

    def obey() -> None:
        # Into an existing buffer, because os.read() can fail after it has read. A failed loop may call this twice.
        try:
            count = commands.recv_into(said)
        except (MemoryError, BlockingIOError):
            return
        _testcapi.remove_mem_hooks()
        if not count:  # the parent is gone
            os._exit(0)
        number = int(said[:count])
        if number:
            commands.sendall(b".")
            _testcapi.set_nomemory(number, number + 1)
        else:
            commands.sendall(b"!" if failures else b".")
            for failure in failures:
                os.write(2, failure.encode() + b"\n")

    config = Config()
    poller = make_poller(loop, clock, report)
    handler = make_application(config, open_roots(config, os.fsencode(folder)), clock, report)
    offload, disk = Offload(loop, clock, report), Offload(loop, clock, report)
    observers = Observers(Complaints(clock, lambda text: None))
    service = Service(config, handler, clock, poller, Clients(1000), observers, offload, disk)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    listener = Listener(service, listening, 100, lambda error: loop.call_soon(listener.resume))
    loop.add_reader(commands, obey)
    loop.set_exception_handler(lambda loop, context: report(context.get("exception") or RuntimeError()))
    commands.sendall(b"%d\n" % listening.getsockname()[1])
    while True:
        try:
            loop.run_forever()
        except MemoryError:  # in the loop itself: a worker would end and be replaced
            continue


def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an exception that has no caller, except for CPython's own when it has no memory for a bytearray.

    It frees the object before it has set the count of its exports (PyByteArray_FromStringAndSize in 3.11).
    """
    if "deallocated bytearray" not in str(error):
        sys.__excepthook__(kind, error, traceback)


if __name__ == "__main__":
    sys.excepthook = hook
    serve(sys.argv[1], int(sys.argv[2]))
