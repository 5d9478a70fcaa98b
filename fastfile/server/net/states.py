"""The states of a connection."""

from __future__ import annotations

# What a connection waits for, and so what its deadline means. In the first three a request may be taken up.
IDLE = 0  # the first byte of the next request
HEAD = 1  # the rest of a head (RFC 9112 §9.5 lets us choose how long)
BODY = 2  # the rest of a request body
WAITING = 3  # a response that is deferred; all responses before it are sent
SENDING = 4  # the client to take more, or its next turn
READING = 5  # the disk, for more of what is to be sent
LINGERING = 6  # the client to see our last response and close
CLOSED = 7
PENDING = 8  # the source of a body, which has nothing yet

# What the client may still send after the last response.
UNKNOWN = 0  # it has to be looked for
NOTHING = 1  # it said ``close``, and no byte came behind that request
MORE = 2  # something that we do not read
