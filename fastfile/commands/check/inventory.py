"""The content of the served folders for ``fastfile check``: the files, and the names that clash.

Hidden names are skipped unless they are served. Links to files are followed as the server follows them. Links to
folders are not: their files have another name, or are outside.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection, Sequence

from fastfile.http.target import is_hidden, join
from fastfile.records import NamedTuple
from fastfile.storage.root import Root


class Tree(NamedTuple):
    """One root. ``base`` is the path of its mount, with a final slash unless it is empty.

    ``shown`` is the prefix of its files' paths in reports. ``files`` are their statuses by path.
    """

    root: Root
    base: bytes
    shown: str
    files: dict[bytes, os.stat_result]
    clashes: list[tuple[bytes, bytes]]
    failures: list[tuple[bytes, OSError]]


def fold(path: bytes) -> str:
    """Return a key that is equal for paths that are the same on case-insensitive file systems."""
    return unicodedata.normalize("NFC", os.fsdecode(path)).casefold()


def take_inventory(root: Root, base: bytes, shown: str, dotfiles: bool, dotfile: Collection[bytes] = ()) -> Tree:
    """Return the content of a folder, in the order of the paths; ``dotfile`` names the dot files that are served."""
    tree = Tree(root, base + b"/" if base else b"", shown, {}, [], [])
    if root.only is not None:
        tree.files[root.only] = root.stat(root.only)
        return tree
    todo = [b""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(root.absolute(folder)) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            tree.failures.append((folder, error))
            continue
        paths = [join(folder, entry.name) for entry in entries]
        seen = [
            (path, entry)
            for path, entry in zip(paths, entries, strict=True)
            if dotfiles or not is_hidden(path, dotfile)
        ]
        _find_clashes([path for path, _ in seen], tree.clashes)
        for path, entry in seen:
            if not entry.is_dir(follow_symlinks=False):
                _add(tree, path, entry)
        todo += [path for path, entry in reversed(seen) if entry.is_dir(follow_symlinks=False)]
    return tree


def _find_clashes(paths: Sequence[bytes], clashes: list[tuple[bytes, bytes]]) -> None:
    first: dict[str, bytes] = {}
    for path in paths:
        other = first.setdefault(fold(path), path)
        if other != path:
            clashes.append((other, path))


def _add(tree: Tree, path: bytes, entry: os.DirEntry[bytes]) -> None:
    try:
        status = tree.root.stat(path) if entry.is_symlink() else entry.stat(follow_symlinks=False)
    except OSError:
        return  # a link that leads outside or nowhere, or a file that was just removed
    if stat.S_ISREG(status.st_mode):
        tree.files[path] = status
