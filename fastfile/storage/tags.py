"""Content tags: hashes for entity tags of files whose time says nothing about their content.

Knows no HTTP. Small content is hashed at once; a job in a thread hashes others, and the caller looks the file up again
when the job is done. Tags are cached by signature, so any change of a file makes its tag unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal
from weakref import WeakValueDictionary

from fastfile.errors import Postponed
from fastfile.storage.metadata import SECOND_NS, has_no_date, is_settled
from fastfile.storage.resource import Resource, hash_content

Mode = Literal["auto", "content", "mtime"]

# Hashed on the event loop, in a quarter of a millisecond. Files larger than --small-file are not in memory.
MAX_AT_ONCE = 256 * 1024
# In auto mode, larger files have a tag of their time: for a hash, the first client would wait a second.
MAX_SIZE = 256 * 1024 * 1024
# Twice the time of BLAKE2b for a byte. A file that changes faster than it is hashed gets no tag: a request for it would
# wait for one hash after the other.
HASH_NS = 2
MAX_REMEMBERED = 8192
MAX_JOBS = 16  # running jobs; beyond that, files are sent without a tag
NO_TAG = b""
PLACES = 1 << 16  # of a TagTable: 4 MiB, if all are used
SIGNATURE_SIZE = 40  # bytes
ROW = 64  # bytes of a signature and a tag


class Job:
    """Hashes files in a thread. It keeps them open, and stores their tags in ``tags``."""

    __slots__ = ("__weakref__", "_is_fixed", "_known", "_resources")

    def __init__(self, resources: list[Resource], known: dict[bytes, bytes], is_fixed: bool) -> None:
        self._resources = resources
        self._known = known
        self._is_fixed = is_fixed

    def __call__(self) -> None:
        for resource in self._resources:
            try:
                tag = hash_content(resource.pieces(self._is_fixed))
            except OSError:  # it changed, or cannot be read: the response will show that
                tag = NO_TAG
            self._known[resource.signature] = tag


class Unhashed(Postponed):
    """A response needs the hash of a content."""


class TagTable:
    """Tags of files that are too many for the cache, in a fixed amount of memory: one row for each hash."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows = bytearray()

    def tag_of(self, resource: Resource, is_remembered: bool) -> bytes:
        """Return the tag of a file that is in memory; ``is_remembered``: add it, because nothing else will."""
        tag = self.find(resource.signature)
        if tag is None:
            assert resource.content is not None
            tag = hash_content((resource.content,))
            if is_remembered:
                self.add(resource.signature, tag)
        return tag

    def find(self, signature: bytes) -> bytes | None:
        """Return the tag of a signature, or None."""
        start = hash(signature) % PLACES * ROW
        row = self._rows[start : start + ROW]
        return bytes(row[SIGNATURE_SIZE:]) if row.startswith(signature) else None

    def add(self, signature: bytes, tag: bytes) -> None:
        """Remember the tag of a signature."""
        if len(signature) + len(tag) != ROW:
            return
        if not self._rows:
            self._rows = bytearray(PLACES * ROW)
        start = hash(signature) % PLACES * ROW
        self._rows[start : start + ROW] = signature + tag


class Tags:
    """The tags of one worker. ``mode`` is auto, content (of every file) or mtime (of none).

    ``is_fixed``: files never change (release_tree.py), so each is hashed at once, however new its links are.
    """

    def __init__(self, mode: Mode, is_fixed: bool = False) -> None:
        self._mode = mode
        self._is_fixed = is_fixed
        self._known: dict[bytes, bytes] = {}
        self._jobs: WeakValueDictionary[bytes, Job] = WeakValueDictionary()

    def assign(self, resources: Iterable[Resource]) -> bool:
        """Set the tag of each resource whose time says nothing; tell whether all of them may be cached.

        Raises Unhashed if a thread has to hash a content first.
        """
        unhashed = [resource for resource in resources if self._needs_hash(resource)]
        if not unhashed:
            return True
        key = unhashed[0].signature
        job = self._jobs.get(key)
        now_ns = time.time_ns()
        is_restless = any(_is_restless(resource, now_ns) for resource in unhashed)
        if job is None and not self._is_fixed and (is_restless or len(self._jobs) >= MAX_JOBS):
            for resource in unhashed:
                resource.tag = NO_TAG
            return False
        if job is None:
            while len(self._known) >= MAX_REMEMBERED:
                del self._known[next(iter(self._known))]
            job = self._jobs[key] = Job(unhashed, self._known, self._is_fixed)
        raise Unhashed(job)

    def _needs_hash(self, resource: Resource) -> bool:
        """Tell whether a job has to hash a content; otherwise the resource has its tag, if it needs one."""
        status = resource.status
        if self._mode == "mtime" or resource.tag is not None:
            return False
        if self._mode == "auto":
            if status.st_mtime_ns % SECOND_NS:
                return False
            if resource.size > MAX_SIZE:
                resource.tag = NO_TAG if has_no_date(status) else None
                return False
        if resource.content is not None and resource.size <= MAX_AT_ONCE:
            resource.tag = hash_content((resource.content,))
        else:
            resource.tag = self._known.get(resource.signature)
        return resource.tag is None


def _is_restless(resource: Resource, now_ns: int) -> bool:
    """Tell whether a file may change again before it is hashed, or without a change of its signature."""
    status = resource.status
    return not is_settled(status, now_ns) or abs(now_ns - status.st_ctime_ns) < HASH_NS * resource.size
