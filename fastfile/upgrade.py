"""The vocabulary of connections that leave HTTP: a 101, and the session of another protocol that follows it."""

from __future__ import annotations

from typing import Protocol

from fastfile.message import Response, ResponseHead


class Channel(Protocol):
    """The bytes of a connection that a session has taken over."""

    def send(self, data: bytes) -> None:
        """Send bytes, now or as soon as the client takes them; a client that takes nothing is dropped."""

    def close(self) -> None:
        """Send what is still to be sent, and close."""


class Session(Protocol):
    """Another protocol on a connection, after a 101. Called on the event loop, and must not block.

    One that holds something before it begins has a ``close()``, for when it does not begin.
    """

    def begin(self, channel: Channel) -> None:
        """Take over; the 101 is sent."""

    def receive(self, data: bytes) -> None:
        """Take what the client has sent."""

    def end(self) -> None:
        """Note that the connection has ended, whichever side ended it; called once, if begin() was."""


class Upgrade(Response):
    """A 101, after which ``session`` has the connection (RFC 9110 §15.2.2)."""

    __slots__ = ("session",)

    def __init__(self, head: ResponseHead, session: Session) -> None:
        super().__init__(head, close=True)  # no request follows
        self.session = session
