"""A server on sockets that are given to it, as a service manager gives them (sd_listen_fds(3))."""

from __future__ import annotations

import socket

from support.serverprocess import ServerProcess

ACTIVATED = """
import os, runpy, sys
given = [int(fd) for fd in os.environ.pop("GIVEN").split()]
for target, fd in enumerate([os.dup(fd) for fd in given], 3):
    os.dup2(fd, target)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given))}
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""


def serve_given(args: list[str], path: str) -> ServerProcess:
    """Start a server on a TCP socket of its own port, and on a Unix socket at ``path``."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as tcp, socket.socket(socket.AF_UNIX) as local:
        local.bind(path)
        local.listen(1024)
        return activate(args, tcp, local)


def activate(args: list[str], *given: socket.socket) -> ServerProcess:
    """Start a server on sockets that listen."""
    fds = [each.fileno() for each in given]
    environ = {"GIVEN": " ".join(map(str, fds))}
    return ServerProcess(args, environ, interpreter_args=("-c", ACTIVATED), pass_fds=fds)
