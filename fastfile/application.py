"""The application: everything between a request head and its response, put together from the settings.

A worker serves one; so can a test, or a program that brings its own connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastfile.absence import Note, take_no_note
from fastfile.clock import Clock
from fastfile.common_fields import common_changes
from fastfile.compression import Compression, Submit
from fastfile.config import Config
from fastfile.errorpages import ErrorPages
from fastfile.files.root import Root
from fastfile.gate import Handles
from fastfile.handler import Handler
from fastfile.mounts import Mounts
from fastfile.site import Shared, Site, make_cache


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


def say_nothing(text: str) -> None:
    """What is made of the words for whoever runs a server where nobody hears them."""


def make_site(base: bytes, root: Root, shared: Shared, say: Callable[[str], None]) -> Site:
    if shared.config.rules == "off" or root.only is not None:
        return Site(root, base, shared)
    # Imported here: without rules nobody pays for it.
    from fastfile.ruledsite import RuledSite
    from fastfile.siterules import SiteRules

    return RuledSite(root, base, shared, SiteRules(root, shared.clock, say))


def make_application(
    config: Config,
    mount_points: Sequence[MountPoint],
    clock: Clock,
    log_failure: Callable[[BaseException], None],
    submit: Submit | None = None,
    note: Note = take_no_note,
    say: Callable[[str], None] = say_nothing,
) -> Handler:
    """Return what answers the requests; the roots stay the caller's.

    ``submit`` runs what nobody waits for. ``note`` hears which step found what, ``say`` what is wrong
    with the rules of a root.
    """
    changes = common_changes(config)
    cache = make_cache(config)
    pages = ErrorPages(changes)
    compression = None
    if config.compress and submit is not None:
        compression = Compression(cache, submit, log_failure)
    shared = Shared(config, clock, cache, pages, changes, compression, note)
    sites = [make_site(base, root, shared, say) for base, root in mount_points]
    return Handler(Mounts(sites), cache.entries, pages, changes, config, clock, log_failure)


def add_gates(handler: Handles, config: Config, clock: Clock, log_failure: Callable[[BaseException], None]) -> Handles:
    """Return what requests have to go through to the handler; the handler itself where the settings ask for nothing.

    --cors stands outside of --auth, so that a page may read that its password was wrong.
    """
    # Imported here: only who asks for a gate pays for it. serve.preload() has done so before the sandbox.
    if config.auth or config.auth_file is not None:
        from fastfile.auth import Auth

        handler = Auth(handler, config, clock, log_failure)
    if config.cors and config.cors != ("*",):
        from fastfile.cors import Cors

        handler = Cors(handler, config)
    return handler
