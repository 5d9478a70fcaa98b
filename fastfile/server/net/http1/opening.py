"""Input before the first request of a connection: the PROXY protocol of a trusted proxy."""

from __future__ import annotations

from fastfile.protocol.proxy_protocol import maybe_preface
from fastfile.server.net.clients import format_address
from fastfile.server.net.service import Service
from fastfile.server.net.transport import Transport


class Opening:
    """Reads the client's address from a proxy, piece by piece."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def read(self, data: bytearray, service: Service, transport: Transport) -> bytearray | None:
        """Return the input after the preface; None if more is needed.

        Raises ValueError, with a complaint for the operator, if the connection is refused.
        """
        self._data += data
        try:
            preface = maybe_preface(bytes(self._data))
        except ValueError as error:
            peer = format_address(transport.peer)
            raise ValueError(f"closes a connection of a proxy, {peer}: not the PROXY protocol ({error})") from None
        if preface is None:
            return None
        if preface.client is not None:
            if not service.clients.admit(preface.client):
                peer = format_address(transport.peer)
                raise ValueError(
                    f"refuses a client of a proxy, {peer}, which has the most connections that one client may have"
                )
            transport.peer = preface.client
        return self._data[preface.size :]
