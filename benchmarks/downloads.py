"""Clients that download a large file again and again: `python -m benchmarks.downloads PORT PATH COUNT`.

They receive as fast as the server sends, and the kernel discards the data (MSG_TRUNC, tcp(7)), so that their core has
time for the measurement. They run until they are terminated.
"""

import os
import select
import socket
import sys

RECEIVE_SIZE = 1 << 20
AHEAD = 4  # pipelined requests on each connection, so that there is no pause between them
NICENESS = 10  # the measurement has priority


class Download:
    """One connection; the length of a response is that of the first one."""

    def __init__(self, port: int, path: str) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode("ascii")
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(self.request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        self.size = len(head) + int(length.partition(b":")[2])
        self.missing = self.size - len(head)
        for _ in range(AHEAD - 1):
            self.socket.sendall(self.request)

    def take(self) -> None:
        self.missing -= len(self.socket.recv(RECEIVE_SIZE, socket.MSG_TRUNC))
        if self.missing <= 0:
            self.missing += self.size
            self.socket.sendall(self.request)


def main(port: str, path: str, count: str) -> None:
    os.nice(NICENESS)
    poll = select.poll()
    downloads = {}
    for _ in range(int(count)):
        download = Download(int(port), path)
        downloads[download.socket.fileno()] = download
        poll.register(download.socket, select.POLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            downloads[fd].take()


if __name__ == "__main__":
    main(*sys.argv[1:])
