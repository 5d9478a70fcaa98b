"""The trash of a cache folder: what is moved there is deleted, now or by a thread."""

from __future__ import annotations

import os
import threading
import time


class Trash:
    """Owns ``folder``, on the file system of what is thrown away. What another process left there is deleted too."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._count = time.time_ns()  # a name that is new
        self._emptying = threading.Thread()
        os.makedirs(folder, 0o700, exist_ok=True)

    def discard(self, path: str) -> None:
        """Move a file or folder here."""
        self._count += 1
        os.rename(path, f"{self._folder}/{self._count}")

    def is_empty(self) -> bool:
        """Tell whether everything is deleted."""
        return not self._emptying.is_alive() and not os.listdir(self._folder)

    def empty_later(self) -> None:
        """Delete everything in a thread, because that can take seconds."""
        if not self._emptying.is_alive() and os.listdir(self._folder):
            self._emptying = threading.Thread(target=self._empty, name="trash", daemon=True)
            self._emptying.start()

    def empty(self) -> None:
        """Delete everything now."""
        if self._emptying.is_alive():
            self._emptying.join()
        self._empty()

    def _empty(self) -> None:
        failed: set[str] = set()
        while names := set(os.listdir(self._folder)) - failed:
            for name in names:
                path = f"{self._folder}/{name}"
                try:
                    if os.path.isdir(path) and not os.path.islink(path):
                        self._delete_folder(path)
                    else:
                        os.unlink(path)
                except OSError:  # it is tried again the next time
                    failed.add(name)

    def _delete_folder(self, path: str) -> None:
        """Delete a folder, and move the folders in it up here: a tree may be deeper than the stack of calls."""
        with os.scandir(path) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    os.rename(entry.path, f"{self._folder}/folder-{entry.inode()}")
                else:
                    os.unlink(entry.path)
        os.rmdir(path)
