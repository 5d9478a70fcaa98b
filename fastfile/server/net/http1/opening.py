"""Input before the first request of a connection: the PROXY protocol of a trusted proxy."""

from __future__ import annotations

from typing import NoReturn

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

        Complains to the operator and raises ConnectionAbortedError if the connection is refused.
        """
        self._data += data
        try:
            preface = maybe_preface(bytes(self._data))
        except ValueError as error:
            proxy = format_address(transport.peer)
            _refuse(service, f"closes a connection of a proxy, {proxy}: not the PROXY protocol ({error})")
        if preface is None:
            return None
        if preface.client is not None:
            if not service.clients.admit(preface.client):
                proxy = format_address(transport.peer)
                _refuse(service, f"refuses a client of a proxy, {proxy}: it has reached --max-per-client")
            transport.peer = preface.client
        return self._data[preface.size :]


def _refuse(service: Service, reason: str) -> NoReturn:
    service.observers.complaints.complain("proxy", reason)
    raise ConnectionAbortedError(reason)
