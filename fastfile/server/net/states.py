"""The states of a connection."""

from __future__ import annotations

# What a connection waits for, and so what its deadline means. In IDLE, HEAD and BODY it can start a request.
IDLE = 0  # the first byte of the next request
HEAD = 1  # the rest of a head (RFC 9112 §9.5 leaves the time to the server)
BODY = 2  # the rest of a request body
WAITING = 3  # a deferred response; all responses before it are sent
SENDING = 4  # the client to read more, or the connection's next turn
READING = 5  # the disk, for more of the body
LINGERING = 6  # the client to read the last response and close
CLOSED = 7
PENDING = 8  # the source of a body, which has no data yet

# Input that may still arrive after the last response.
UNKNOWN = 0  # not known yet
NOTHING = 1  # the client sent ``close``, and no byte after that request
MORE = 2  # input that the server does not read
