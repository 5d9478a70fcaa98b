"""Cache-Control by the path of a file (RFC 9111 §5.2, RFC 8246).

The default, no-cache, comes from site/representation.py: clients see a new build at once, and an unchanged file costs a
304. The value is decided when an entry is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastfile.http.content.content_hash import is_immutable, is_page, is_service_worker
from fastfile.http.field_changes import FieldChanges

# A year, as build tools and providers recommend. RFC 8246: even a reload does not revalidate.
_FOR_A_YEAR = FieldChanges(((b"Cache-Control", b"public, max-age=31536000, immutable"),))

Matcher = Callable[[bytes], object]


class CachePolicy:
    """``immutable`` is ``auto``, ``off`` or a regular expression. ``rules`` are pairs of a glob and a value.

    The last matching rule applies. Both are matched against the path of the file, with ``base``, the path of its mount,
    and a leading slash. ``is_immutable`` tells whether such a path has a name that makes it immutable at its own URL;
    None if none does.
    """

    def __init__(self, immutable: str, rules: Sequence[tuple[str, str]], base: bytes) -> None:
        self._prefix = b"/%b/" % base if base else b"/"
        self.is_immutable = _make_immutable(immutable)
        self._rules = tuple((compile_glob(glob), _make_change(value)) for glob, value in reversed(rules))
        self.has_rules = self._rules != ()

    def apply(self, file: bytes, asked: bytes, changes: FieldChanges) -> FieldChanges:
        """Return the changes with the Cache-Control for a file that is served at the path ``asked``.

        A matching rule overrides the earlier changes (--header, _headers), and these override the immutability of a
        hashed name. A hashed name is immutable only at its own URL: another URL may lead to another file tomorrow.
        """
        path = self._prefix + file
        if file == asked and self.is_immutable is not None and self.is_immutable(path):
            changes = _FOR_A_YEAR.then(changes)
        for matches, change in self._rules:
            if matches(path):
                return changes.then(change)
        return changes


def _make_change(value: str) -> FieldChanges:
    return FieldChanges(((b"Cache-Control", value.encode()),))


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # names on the command line and on disk can be any bytes


def _make_immutable(setting: str) -> Matcher | None:
    if setting in ("auto", "off"):
        return is_immutable if setting == "auto" else None
    # Imported here and below, because only a setting with a pattern needs it.
    import re

    search = re.compile(_encode(setting)).search

    def matches(path: bytes) -> bool:
        # Whatever the expression says, because a page that browsers keep for a year could not be corrected.
        return not is_page(path) and not is_service_worker(path) and search(path) is not None

    return matches


def compile_glob(glob: str) -> Matcher:
    """Return a function that matches a path with a leading slash.

    A glob without a slash matches names in any folder; ``?`` and ``*`` match within a segment, ``**`` any number of
    segments.
    """
    import re

    anchored = glob if glob.startswith("/") else f"/{glob}" if "/" in glob else f"/**/{glob}"
    pattern = re.escape(_encode(anchored))
    for written, meant in (
        (rb"/\*\*/", rb"/(?:.*/)?"),
        (rb"\*\*", rb".*"),
        (rb"\*", rb"[^/]*"),
        (rb"\?", rb"[^/]"),
    ):
        pattern = pattern.replace(written, meant)
    return re.compile(pattern, re.DOTALL).fullmatch
