"""Answers made of files: a file beneath the root becomes the answer to a target, with its variants and its fields."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fastfile.http.field_changes import FieldChanges
from fastfile.http.media_types import make_additions, media_type
from fastfile.rules.clean_urls import PagePath
from fastfile.site.entry import Entry
from fastfile.site.representation import Representation
from fastfile.site.shared import Shared
from fastfile.storage.resource import Resource, open_resource
from fastfile.storage.root import Root, make_error
from fastfile.storage.stamps import Stamps
from fastfile.storage.variants import open_variants


class Purpose(NamedTuple):
    """What a file answers for. ``address`` is what is asked for, without the base: rules go by it.

    ``vary`` names request fields that led to this file, beside those that choose among its variants.
    """

    address: PagePath
    status: int = 200
    vary: bytes = b""


class FileEntries:
    """Opens files of one root as answers.

    ``changes_of`` tells what is made of the fields of a file, by its path.
    """

    def __init__(
        self,
        root: Root,
        shared: Shared,
        changes_of: Callable[[bytes, Purpose], FieldChanges],
        stamps: Stamps,
    ) -> None:
        self._root = root
        self._clock = shared.clock
        self._small_file = shared.config.small_file
        self._changes_of = changes_of
        self._media_types = make_additions(shared.config.mime)
        self._compression = shared.compression
        self.stamps = stamps

    def find(self, candidates: Sequence[bytes], purpose: Purpose) -> tuple[bytes, Entry] | None:
        """Return the first of the candidates that is a file, and its answer. Raises OSError for one that is refused."""
        folders: dict[bytes, os.stat_result] = {}
        is_sure = True
        for path in candidates:
            # Before what is in it is looked at, so that no change is missed.
            folder = path.rpartition(b"/")[0]
            state = folders.get(folder) or self._root.stat_folder(path)
            if state is not None:
                folders[folder] = state
            try:
                resource = open_resource(self._root, path, self._small_file)
            except OSError as error:
                if make_error(error).status != 404:
                    raise
                # A link to nowhere may become a file with its folder unchanged.
                is_sure = is_sure and (isinstance(error, IsADirectoryError) or self._root.signature(path) is None)
                continue
            return path, self._make(path, folders if is_sure and state is not None else {}, resource, purpose)
        return None

    def _make(
        self, path: bytes, folders: Mapping[bytes, os.stat_result], resource: Resource, purpose: Purpose
    ) -> Entry:
        variants = open_variants(self._root, path, resource, self._small_file)
        changes = self._changes_of(path, purpose)
        type_ = media_type(path.rpartition(b"/")[2], self._media_types)
        now_s = self._clock.wall_s
        vary = purpose.vary

        def represent(resource: Resource, coding: bytes) -> Representation:
            return Representation(resource, type_, coding, vary, now_s, changes, purpose.status)

        offer = None
        if self._compression is not None and purpose.status == 200 and not variants.usable:
            offer = self._compression.offer(resource, type_, represent)
        if variants.usable or offer is not None:
            vary = b", ".join(filter(None, (b"Accept-Encoding", vary)))
        stamps = self.stamps.of_file(path, folders, resource, variants)
        encoded = {coding: represent(variant, coding) for coding, variant in variants.usable.items()}
        return Entry(stamps, represent(resource, b""), encoded, offer=offer)
