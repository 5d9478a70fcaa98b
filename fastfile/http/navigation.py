"""Navigations: requests for a page to show, as opposed to requests for a part of a page or for data."""

from __future__ import annotations

from fastfile.http.negotiation import likes_best
from fastfile.message import RequestHead


def is_navigation(head: RequestHead) -> bool:
    """Tell whether a request for a route of an app should get the app's page.

    Browsers say so (Fetch Metadata §2.2). Other clients get it if they name HTML and prefer nothing to it; and, as with
    sirv and serve, if they accept anything, such as curl, and the path does not look like a file.
    """
    mode = head.field(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    liked = likes_best(head.field(b"accept"), b"text/html")
    return liked == "named" or (liked == "not named" and not _looks_like_file(head.target.partition(b"?")[0]))


def names_page(head: RequestHead) -> bool:
    """Tell whether a request says that it is for a page: a browser's navigation, or one that names HTML.

    Clients of an API accept anything by default, and a 404 must stay one for them.
    """
    mode = head.field(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return likes_best(head.field(b"accept"), b"text/html") == "named"


def _looks_like_file(path: bytes) -> bool:
    """Tell whether a path ends with an extension, or a segment begins with a dot: clients probe .well-known."""
    return b"." in path.rpartition(b"/")[2] or b"/." in path
