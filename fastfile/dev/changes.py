"""A change of a file, and which paths count: common to every way of watching."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fastfile.records import NamedTuple

# Folders without files of pages that change all the time.
IGNORED = frozenset((b"node_modules", b".git", b".hg", b".svn", b".jj"))
_MAX_LINKS = 40  # in the path to a root, as in the kernel


class Change(NamedTuple):
    """``path`` changed. ``is_open``: a program has it open and is still writing, as far as is known."""

    path: bytes
    is_open: bool = False


def is_ignored(name: bytes) -> bool:
    """Tell whether a folder of this name is not watched."""
    return name in IGNORED


def path_components(path: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each folder and the name in it on the way to a path, following links.

    If any of these names changes, the path may lead elsewhere.
    """
    pending = [name for name in reversed(path.split(b"/")) if name]
    folder, links = b"/", 0
    while pending:
        name = pending.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            folder = os.path.dirname(folder)
            continue
        yield folder, name
        entry = os.path.join(folder, name)
        try:
            target = os.readlink(entry)
        except OSError:  # no link
            folder = entry
            continue
        links += 1
        if links > _MAX_LINKS:
            return
        if target.startswith(b"/"):
            folder = b"/"
        pending.extend(reversed(target.split(b"/")))
