"""A worker's parts in one thread, whose n-th allocation fails when its parent says so. Run as a program.

Arguments: the folder to serve, and a descriptor on which the parent writes numbers, a line each, and gets a byte back:
n lets the n-th allocation from there on fail, 0 none any more.
"""

from __future__ import annotations

import _testcapi
import asyncio
import os
import socket
import sys

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.server.log.complaints import Complaints
from fastfile.server.net.clients import Clients
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Service
from fastfile.server.threads import Offload


def serve(folder: str, control: int) -> None:
    loop = asyncio.new_event_loop()
    clock = Clock()
    failures: list[str] = []

    def report(error: BaseException) -> None:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # a lock says so by a RuntimeError
            failures.append(repr(error))

    def obey() -> None:
        said = None
        while said is None:
            try:
                said = os.read(control, 16)
            except MemoryError:  # it is still there
                continue
        if not said:  # the parent is gone
            os._exit(0)
        if said == b"0\n":
            _testcapi.remove_mem_hooks()
        number = int(said)
        if number:
            os.write(control, b".")
            _testcapi.set_nomemory(number, number + 1)
        else:
            os.write(control, b"!" if failures else b".")
            for failure in failures:
                os.write(2, failure.encode() + b"\n")

    config = Config()
    poller = make_poller(loop, clock, report)
    handler = make_application(config, open_roots(config, os.fsencode(folder)), clock, report)
    offload, disk = Offload(loop, clock, report), Offload(loop, clock, report)
    service = Service(config, handler, clock, poller, None, Clients(1000), None, offload, disk)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    listener = Listener(
        service, listening, 100, Complaints(clock, lambda text: None), lambda error: loop.call_soon(listener.resume)
    )
    loop.add_reader(control, obey)
    loop.set_exception_handler(lambda loop, context: report(context.get("exception") or RuntimeError()))
    os.write(control, b"%d\n" % listening.getsockname()[1])
    while True:
        try:
            loop.run_forever()
        except MemoryError:  # the loop's own: a worker would end, and have a successor
            continue


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
