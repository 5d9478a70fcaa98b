"""Navigations: requests for a page to show, as against those for a part of one or for data."""

from __future__ import annotations

from fastfile.http.negotiation import likes_best
from fastfile.message import RequestHead


def is_navigation(head: RequestHead) -> bool:
    """Tell whether a request for a route of an app is to get the app's page.

    A browser says so itself (Fetch Metadata §2.2). Of clients that do not, those get it that name HTML and like nothing
    better; and as with sirv and serve those that take anything, such as curl, if the path does not look like a file.
    """
    mode = head.field(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    liked = likes_best(head.field(b"accept"), b"text/html")
    return liked == "named" or (liked == "not named" and not _looks_like_file(head.target.partition(b"?")[0]))


def _looks_like_file(path: bytes) -> bool:
    """Tell whether a path ends with an extension, or has a segment with a dot first: clients probe .well-known."""
    return b"." in path.rpartition(b"/")[2] or b"/." in path
