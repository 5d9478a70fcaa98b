"""The stamps of an entry: every file and folder that it depends on, so that each change is seen (freshness.py)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from fastfile.sendfile import make_signature
from fastfile.storage.freshness import Stamp
from fastfile.storage.metadata import is_settled
from fastfile.storage.resource import Resource
from fastfile.storage.root import Root
from fastfile.storage.variants import Variants

MAX_FOLDERS = 4096  # folders whose stamps are shared; one more clears all, which costs another check of each


class Stamps:
    """Makes the stamps of one root. An empty result means that a change could go unnoticed: do not cache that entry."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.fixed: tuple[Stamp, ...] = ()  # if these show every change, and no others are needed (release_tree.py)
        self._folders: dict[bytes, Stamp] = {}

    def of_file(
        self, path: bytes, folders: Mapping[bytes, os.stat_result], resource: Resource, variants: Variants
    ) -> tuple[Stamp, ...]:
        """Return stamps that show every change of a file and its variants.

        They cover the folders of the search, including its own (names appear and disappear), the file, and its
        variants' names.
        """
        if resource.cold or any(variant.cold for variant in variants.usable.values()):
            return ()  # the next lookup will find its content in memory
        now_ns = time.time_ns()
        stamps = self.of_folders(folders)
        if not stamps or not all(is_settled(status, now_ns) for status in (resource.status, *variants.statuses)):
            return ()
        return (
            *stamps,
            Stamp(self._root.absolute(path), resource.signature),
            *(Stamp(self._root.absolute(beside), signature) for beside, signature in variants.signatures.items()),
        )

    def of_folders(self, folders: Mapping[bytes, os.stat_result]) -> tuple[Stamp, ...]:
        """Return stamps that show when a name appears or disappears in a folder, by path with its state."""
        now_ns = time.time_ns()
        if not all(is_settled(status, now_ns) for status in folders.values()):
            return ()
        return tuple(
            [self.of_state(self._root.absolute(path), make_signature(status)) for path, status in folders.items()]
        )

    def of_state(self, absolute: bytes, signature: bytes) -> Stamp:
        """Return the one stamp for a state of a folder, so that all its files share one check per batch."""
        stamp = self._folders.get(absolute)
        if stamp is None or stamp.signature != signature:
            if len(self._folders) >= MAX_FOLDERS:
                self._folders.clear()
            stamp = self._folders[absolute] = Stamp(absolute, signature)
        return stamp
