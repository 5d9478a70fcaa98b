"""The event loop of --loop."""

from __future__ import annotations

import asyncio


def make_loop(name: str) -> asyncio.AbstractEventLoop:
    """Return the event loop of --loop; ``auto`` is uvloop if it is installed."""
    if name != "asyncio":
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()
