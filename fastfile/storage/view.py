"""A view: the part of a root that one request sees. It looks at each name once, and at a folder before its entries."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

from fastfile.http.target import join
from fastfile.sendfile import read_signature
from fastfile.storage.outcome import Outcome, classify
from fastfile.storage.resource import Resource, open_resource
from fastfile.storage.root import Root

MAX_SCANNED = 1000  # names of a folder: takes half a millisecond

# Why a name is not a file. "refused": no request can get it, such as a broken link.
NoFile = Literal["absent", "folder", "linked folder", "refused"]


class View:
    """Belongs to one request and caches its results."""

    __slots__ = ("_files", "_is_certain", "_no_files", "_root", "_small_file", "_states")

    def __init__(self, root: Root, small_file: int) -> None:
        self._root = root
        self._small_file = small_file
        self._files: set[bytes] = set()
        self._is_certain = True
        self._no_files: dict[bytes, NoFile] = {}
        self._states: dict[bytes, os.stat_result | None] = {}

    def open(self, path: bytes) -> Resource | None:
        """Open a file; return None if there is none. Raises OSError if it cannot be read."""
        if path in self._no_files:
            return None
        folder = path.rpartition(b"/")[0]
        self._state(folder)
        # Most candidate names do not exist. An lstat that raises no exception finds out.
        if self.is_absent(folder) or self.is_absent(path):
            self._no_files[path] = "absent"
            return None
        try:
            resource = open_resource(self._root, path, self._small_file)
        except IsADirectoryError:
            is_link = os.path.islink(self._root.absolute(path))
            self._no_files[path] = "linked folder" if is_link else "folder"
        except OSError as error:
            if classify(error) is not Outcome.MISSING:
                raise
            is_there = read_signature(self._root.absolute(path), False) not in (b"", b"!")
            self._no_files[path] = "refused" if is_there else "absent"
        else:
            self._files.add(path)
            return resource
        return None

    def is_absent(self, path: bytes) -> bool:
        """Tell whether nothing at all is at a path, not even a broken link."""
        known = self._no_files.get(path)
        if known is not None or self._states.get(path) is not None:
            return known == "absent"
        if read_signature(self._root.absolute(path), False) != b"":
            return False
        self._no_files[path] = "absent"
        return True

    def is_folder(self, path: bytes) -> bool:
        """Tell whether a readable folder is at a path. Raises OSError if that is unknown."""
        if self.is_absent(path):
            return False
        if path in self._no_files:
            return self._no_files[path] in ("folder", "linked folder")
        try:
            is_folder = stat.S_ISDIR(self._root.stat(path).st_mode)
        except OSError as error:
            if classify(error) is not Outcome.MISSING:
                raise
            return False
        if is_folder:
            self._no_files[path] = "linked folder"  # or a plain one: no caller needs the difference
        return is_folder

    def is_file(self, path: bytes) -> bool:
        """Tell whether a readable file is at a path."""
        try:
            return path in self._files or self.open(path) is not None
        except OSError:
            return False

    def refusal(self, path: bytes) -> Literal["outside", "nowhere", "special", "file"] | None:
        """Return why no file at or below a path with a slash can be opened; None if it is a folder or absent."""
        if self.is_absent(path):
            return None
        try:
            mode = self._root.stat(path).st_mode
        except OSError as error:
            if error.errno == errno.EXDEV:
                return "outside"
            return "nowhere" if error.errno in (errno.ENOENT, errno.ELOOP) else None
        if stat.S_ISREG(mode):
            return "file"
        return None if stat.S_ISDIR(mode) else "special"

    def find_other_case(self, folder: bytes, names: Iterable[bytes]) -> bytes | None:
        """Return a name in a folder that differs from one of the names only by case.

        Looks at MAX_SCANNED names at most.
        """
        wanted = {os.fsdecode(name).casefold() for name in names}
        try:
            fd = self._root.open(folder)
        except OSError:
            return None
        try:
            with os.scandir(fd) as entries:
                for entry in islice(entries, MAX_SCANNED):
                    if entry.name.casefold() in wanted:
                        return os.fsencode(entry.name)
        except OSError:  # it is not a folder
            return None
        finally:
            os.close(fd)
        return None

    def states(self, paths: Sequence[bytes]) -> dict[bytes, os.stat_result]:
        """Return the state of each folder that was searched for the last of the paths, which is a file.

        Empty if a change of the result could go unnoticed.
        """
        states = {}
        for folder in dict.fromkeys(path.rpartition(b"/")[0] for path in paths):
            state = self._state(folder)
            if state is not None:
                states[folder] = state
        has_own = paths[-1].rpartition(b"/")[0] in states
        return states if has_own and self.shows_changes(paths) else {}

    def distrust(self) -> None:
        """Note that the result can change without a change of a folder."""
        self._is_certain = False

    def shows_changes(self, paths: Iterable[bytes]) -> bool:
        """Tell whether the folders show when a file appears at any of the paths.

        A link's target may be in another folder, so a path with a link counts only if that folder is one of them.
        """
        for path in paths:
            known = self._no_files.get(path)
            if known == "refused" or (known == "linked folder" and self._states.get(path) is None):
                return False
        return self._is_certain

    def folders_to(self, path: bytes, max_depth: int) -> dict[bytes, os.stat_result]:
        """Return the folders on the way to a path with their states, from the root to the last existing one.

        At most ``max_depth`` below the root. Raises OSError if the root is gone.
        """
        folders = {b"": self._state(b"") or self._root.stat(b"")}
        folder = b""
        for name in path.split(b"/", max_depth)[:max_depth] if path else ():
            folder = join(folder, name)
            state = self._state(folder)
            if state is None and self._states[b""] is None:  # privileges were dropped: the root's path cannot be read
                state = self._root.maybe_stat(folder)
            if state is None or not stat.S_ISDIR(state.st_mode):
                break
            folders[folder] = state
        return folders

    def _state(self, folder: bytes) -> os.stat_result | None:
        if folder not in self._states:
            known = self._no_files.get(folder)
            self._states[folder] = None if known == "absent" else self._root.stat_folder(folder)
        return self._states[folder]
