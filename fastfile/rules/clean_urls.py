"""Clean URLs: the files that may be served for a path, and the preferred path of each page.

``/about`` is about.html or about/index.html; with --clean-urls a request for the file's name is redirected there. Pure:
the caller looks for the files. Paths are as in a Target, without outer slashes.
"""

from __future__ import annotations

from typing import Literal

from fastfile.http.target import join
from fastfile.records import NamedTuple

HTML = b".html"
# Where about.html is - files: only at /about.html; after: at /about as well, unless about/index.html is there; both: at
# /about even then; clean: only at /about, to which /about.html redirects, as /docs/index.html does to /docs/.
Pages = Literal["files", "after", "both", "clean"]
# auto: folders end with a slash, files do not, and the other form redirects; folder: the same, but the other form of a
# file is not found; always, never: all pages have one form; keep: a page has both.
TrailingSlash = Literal["auto", "folder", "always", "never", "keep"]


class PagePath(NamedTuple):
    """A path as a client requests it."""

    path: bytes
    is_directory: bool  # it ends with a slash


class CleanUrls:
    """``index`` are the names of folders' pages."""

    def __init__(self, pages: Pages, trailing_slash: TrailingSlash, index: tuple[bytes, ...]) -> None:
        self._pages = pages
        self._trailing_slash = trailing_slash
        self._index = index

    def candidates(self, asked: PagePath) -> tuple[bytes, ...]:
        """Return the files that may be served for a path, in the order of the search."""
        path, is_directory = asked
        pages = tuple(join(path, name) for name in self._index)
        if not path:
            return pages
        with_ending = (path + HTML,) if self._pages != "files" else ()
        if is_directory:
            return pages if self._trailing_slash == "folder" else (*pages, *with_ending)
        return (path, *pages, *with_ending) if self._pages == "after" else (path, *with_ending, *pages)

    def address(self, file: bytes, asked: PagePath) -> PagePath:
        """Return the preferred path of a file that is served for ``asked``; ``asked`` itself if there is no other."""
        folder, _, name = file.rpartition(b"/")
        is_named = file == asked.path and not asked.is_directory
        if is_named and self._pages != "clean":
            return asked
        if name in self._index:
            return PagePath(folder, not folder or self._has_slash(True, asked, is_named))
        if self._pages == "files" or not name.endswith(HTML) or name == HTML:
            return asked
        return PagePath(file.removesuffix(HTML), self._has_slash(False, asked, is_named))

    def canonical(self, file: bytes) -> PagePath | None:
        """Return the path that a page prefers to its file name; None if it has no other, or redirects there."""
        if self._pages != "after" or not file.endswith(HTML) or file.rpartition(b"/")[2] in (HTML, *self._index):
            return None
        return self.address(file, PagePath(file.removesuffix(HTML), False))

    def _has_slash(self, is_folder: bool, asked: PagePath, is_named: bool) -> bool:
        """Tell whether the path ends with a slash; ``is_named``: the request has the name of the file."""
        if self._trailing_slash == "keep":
            return is_folder if is_named else asked.is_directory
        return is_folder if self._trailing_slash in ("auto", "folder") else self._trailing_slash == "always"
