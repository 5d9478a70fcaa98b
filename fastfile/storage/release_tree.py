"""The folder of a release on a replica: never changed once the link to it is there (follower/cache.py).

So one stamp, of the link, shows every change of every file, and a lookup that began in one release ends in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.sendfile import make_signature
from fastfile.storage.freshness import Stamp
from fastfile.storage.resource import Resource
from fastfile.storage.root import Root
from fastfile.storage.stamps import Stamps
from fastfile.storage.variants import Variants


class ReleaseTree(NamedTuple):
    """The folder that the link led to, and the stamp that shows when it leads to another one."""

    root: Root
    stamp: Stamp


def open_tree(link: bytes) -> ReleaseTree:
    """Open the folder that a link leads to now. Raises StartError."""
    try:
        path = os.path.join(os.path.dirname(link), os.readlink(link))
        return ReleaseTree(Root(path), Stamp(link, make_signature(os.stat(path))))
    except OSError as error:
        raise StartError(f"cannot serve {os.fsdecode(link)}: {error.strerror}") from error


class ReleaseStamps(Stamps):
    """The stamps of entries of one release.

    A target without a file has none, because the store must be asked again each time (site/steps/followed.py).
    """

    def __init__(self, tree: ReleaseTree) -> None:
        super().__init__(tree.root)
        self.fixed = (tree.stamp,)

    def of_file(
        self, path: bytes, folders: Mapping[bytes, os.stat_result], resource: Resource, variants: Variants
    ) -> tuple[Stamp, ...]:
        is_cold = resource.cold or any(variant.cold for variant in variants.usable.values())
        return () if is_cold else self.fixed

    def of_folders(self, folders: Mapping[bytes, os.stat_result]) -> tuple[Stamp, ...]:
        return ()
