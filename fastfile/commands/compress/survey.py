"""The survey of a folder for ``fastfile compress``: originals, lone variants, and leftovers of killed runs.

It changes nothing. Paths are bytes relative to the folder. Hidden names are skipped, because the server does not serve
them. Links are followed only to files inside the folder, as in the server.
"""

from __future__ import annotations

import os
import re
import stat

from fastfile.http.content.media_types import is_compressible, media_type
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.http.target import is_hidden, join
from fastfile.records import NamedTuple
from fastfile.storage.encoders import GZIP_HEAD
from fastfile.storage.root import Root

ENDINGS = tuple(suffix for _, suffix in SUFFIXES)
TEMPORARY = re.compile(rb"\.fastfile-[0-9a-f]{16}\.tmp")


class Original(NamedTuple):
    """A file that may have variants; ``status`` is that of the file, even if the name is a link."""

    path: bytes
    status: os.stat_result


class Survey(NamedTuple):
    """``orphans`` are variants made by fastfile that have lost their original; ``strays`` may be the user's own."""

    originals: list[Original]
    orphans: list[bytes]
    strays: list[bytes]
    leftovers: list[bytes]
    failures: list[tuple[bytes, OSError]]


def survey(root: Root, types: frozenset[str]) -> Survey:
    """Return the content of the folder, ordered by path. ``types`` are compressed beside the usual ones."""
    found = Survey([], [], [], [], [])
    todo = [b""]
    while todo:
        folder = todo.pop()
        try:
            entries = _read_folder(root, folder)
        except OSError as error:
            found.failures.append((folder or b".", error))
            continue
        lone: list[bytes] = []
        folders = []
        for name, entry in entries.items():
            path = join(folder, name)
            if TEMPORARY.fullmatch(name):
                found.leftovers.append(path)
            elif is_hidden(path):
                continue
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif name.endswith(ENDINGS):
                if _stem(name) not in entries and _is_wanted(_stem(name), types):
                    lone.append(path)
            elif _is_wanted(name, types):
                _add_original(root, path, found)
        _tell_orphans(root, lone, found)
        todo += reversed(folders)
    return found


def _read_folder(root: Root, folder: bytes) -> dict[bytes, os.DirEntry[bytes]]:
    with os.scandir(root.absolute(folder)) as scan:
        return {entry.name: entry for entry in sorted(scan, key=lambda entry: entry.name)}


def _is_wanted(name: bytes, types: frozenset[str]) -> bool:
    type_ = media_type(name)
    essence = type_.partition(b";")[0].decode()
    if types.intersection((essence, essence.partition("/")[0] + "/*")):
        return True
    ending = os.fsdecode(b"." + name.rpartition(b".")[2].lower())
    return ending in types or is_compressible(type_)


def _add_original(root: Root, path: bytes, found: Survey) -> None:
    try:
        status = root.stat(path)
    except PermissionError as error:
        found.failures.append((path, error))
        return
    except OSError:
        return  # a link that leads outside or nowhere, or a file that has just gone
    if stat.S_ISREG(status.st_mode):
        found.originals.append(Original(path, status))


def _tell_orphans(root: Root, lone: list[bytes], found: Survey) -> None:
    """Sort variants without an original into orphans and strays.

    A lone data.csv.gz may be a download, and a lone app.wasm.br may be for another server. Orphans are gzip files with
    fastfile's mark, and variants beside another variant of the same original with the same time to the nanosecond.
    """
    times: dict[tuple[bytes, int], list[bytes]] = {}
    marked = set()
    for path in lone:
        try:
            status = os.lstat(root.absolute(path))
            if not stat.S_ISREG(status.st_mode):
                continue
            if path.endswith(b".gz") and _begins_with(root.absolute(path), GZIP_HEAD):
                marked.add(path)
        except OSError as error:
            found.failures.append((path, error))
            continue
        times.setdefault((_stem(path), status.st_mtime_ns), []).append(path)
    for group in times.values():
        for path in group:
            (found.orphans if len(group) > 1 or path in marked else found.strays).append(path)


def _begins_with(path: bytes, head: bytes) -> bool:
    with open(path, "rb", buffering=0) as file:
        return file.read(len(head)) == head


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0]
