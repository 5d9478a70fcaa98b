"""The application: everything between a request head and its response, put together from the settings.

A worker serves one; so can a test, or a program that brings its own connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastfile.absence import Note, take_no_note
from fastfile.clock import Clock
from fastfile.config import Config
from fastfile.errorpages import ErrorPages
from fastfile.files.root import Root
from fastfile.handler import Handler
from fastfile.mounts import Mounts
from fastfile.semantics.fieldchanges import FieldChanges
from fastfile.site import Site, make_cache


class MountPoint(NamedTuple):
    """A root, and the path of the requests that it answers, without outer slashes: b"" for all."""

    base: bytes
    root: Root


def open_roots(config: Config, root_path: bytes, on_lost: Callable[[], None] | None = None) -> tuple[MountPoint, ...]:
    """Open what is served, and where. Raises StartError."""
    paths = [(config.base or "", root_path), *((base, os.fsencode(folder)) for base, folder in config.mount)]
    return tuple(
        MountPoint(base.strip("/").encode(), Root(path, config.follow_symlinks, on_lost)) for base, path in paths
    )


def make_application(
    config: Config,
    mount_points: Sequence[MountPoint],
    clock: Clock,
    log_failure: Callable[[BaseException], None],
    note: Note = take_no_note,
) -> Handler:
    """Return what answers the requests; the roots stay the caller's. ``note`` hears which step found what."""
    changes = common_changes(config)
    cache = make_cache(config)
    pages = ErrorPages(changes)
    sites = [Site(root, base, config, clock, cache, pages, changes, note) for base, root in mount_points]
    return Handler(Mounts(sites), cache.entries, pages, changes, config, clock, log_failure)


def common_changes(config: Config) -> FieldChanges:
    """Return the fields of every response."""
    return FieldChanges(((b"Server", b"fastfile"),)) if config.server_header else FieldChanges()
