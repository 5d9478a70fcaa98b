"""Chooses the channel of TLS: the compiled one where it can be used, else that of the standard library."""

from __future__ import annotations

import os
from ssl import OPENSSL_VERSION, SSLContext
from typing import Protocol

from fastfile import WHY_PURE
from fastfile.server.net.tls.channel import Channel, MemoryChannels


class Channels(Protocol):
    """Makes the channels of the connections of one event loop."""

    def open(self, context: SSLContext) -> Channel:
        """Return a channel for a new connection, which begins with the certificate of a context."""


def _find_obstacle() -> str:
    """Return why the standard library's channel is used; an empty string if the compiled one is."""
    if WHY_PURE:
        return "pure Python"
    if os.environ.get("FASTFILE_NO_OPENSSL", "") not in ("", "0"):
        return "FASTFILE_NO_OPENSSL is set"
    from fastfile.server.net.tls.openssl import why_unusable  # compiled only

    return why_unusable()


WHY_MEMORY = _find_obstacle()


def describe_channel() -> str:
    """Return the library of TLS and how it is called, for ``--version``."""
    library = " ".join(OPENSSL_VERSION.split()[:2])
    return f"TLS: {library}, called directly" if not WHY_MEMORY else f"TLS: {library}, by Python's ssl ({WHY_MEMORY})"


def make_channels() -> Channels:
    """Return the maker for an event loop."""
    if WHY_MEMORY:
        return MemoryChannels()
    from fastfile.server.net.tls.openssl import OpensslChannels  # compiled only

    return OpensslChannels()
