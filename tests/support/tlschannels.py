"""The channels of TLS: each kind, for tests that hold for both."""

from __future__ import annotations

import pytest
from support.kernels import flag

from fastfile import WHY_PURE
from fastfile.server.net.tls.channel import MemoryChannels
from fastfile.server.net.tls.channels import WHY_MEMORY, Channels, make_channels

CHANNEL_KINDS = ("memory",) if flag("FASTFILE_NO_EXTENSIONS") else ("openssl", "memory")


def load_channels(kind: str) -> Channels:
    """Return what makes channels of a kind; if the compiled one cannot be used, fail if it is required, else skip."""
    if kind == "memory":
        return MemoryChannels()
    if WHY_MEMORY and flag("FASTFILE_REQUIRE_EXTENSIONS") and not WHY_PURE:
        pytest.fail(f"the compiled channel is required: {WHY_MEMORY}")
    if WHY_MEMORY:
        pytest.skip(f"the compiled channel cannot be used here: {WHY_MEMORY}")
    return make_channels()
