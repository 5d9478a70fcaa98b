"""Navigations: requests for a page to show, as against those for the parts of one."""

from __future__ import annotations

from fastfile.http.negotiation import preferred_type
from fastfile.message import RequestHead

# Who takes all of them alike, as fetch() and curl do, gets the first.
_OTHERS_AND_HTML = (b"application/json", b"image/png", b"text/html")


def is_navigation(head: RequestHead) -> bool:
    """Tell whether a browser goes somewhere: by what it says of itself (Fetch Metadata), else by preferring HTML."""
    mode = head.field(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return preferred_type(head.field(b"accept"), _OTHERS_AND_HTML) == b"text/html"
