"""The application: everything between a request head and its response, put together from the settings.

A worker serves one; so can a test, or a program that brings its own connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.responder import Responder
from fastfile.rules.providers import choose_provider
from fastfile.site.common_fields import common_changes
from fastfile.site.entry import Entry
from fastfile.site.error_pages import ErrorPages
from fastfile.site.handler import Handler, allowed_hosts
from fastfile.site.hints import Hints
from fastfile.site.lookup import Site
from fastfile.site.mounts import Entrance, Mounts
from fastfile.site.shared import Note, Shared, take_no_note
from fastfile.storage.cache import Cache
from fastfile.storage.root import Root
from fastfile.storage.tags import Tags
from fastfile.terminal import printable

if TYPE_CHECKING:
    from fastfile.rules.reload import SiteRules
    from fastfile.site.compression import Submit


class MountPoint(NamedTuple):
    """A root, and the path of the requests that it answers, without outer slashes: b"" for all.

    ``outer`` is the folder around it, for hosts whose rules stand there.
    """

    base: bytes
    root: Root
    outer: Root | None = None


def open_roots(config: Config, root_path: bytes, on_lost: Callable[[], None] | None = None) -> tuple[MountPoint, ...]:
    """Open what is served, and where. Raises StartError."""
    main = Root(root_path, config.follow_symlinks, on_lost)
    # One file is at its name, so that what a browser saves has it too.
    base = (main.only or b"") if config.base is None else config.base.strip("/").encode()
    mounts = [
        MountPoint(path.strip("/").encode(), Root(os.fsencode(folder), config.follow_symlinks, on_lost))
        for path, folder in config.mount
    ]
    return (MountPoint(base, main, _open_outer(config, main)), *mounts)


def _open_outer(config: Config, root: Root) -> Root | None:
    """Open the folder around a root where the host reads it too; None where that may not be."""
    if not choose_provider(config).beside or root.only is not None:
        return None
    try:
        return Root(os.path.dirname(root.path), config.follow_symlinks)
    except StartError:
        return None


def say_nothing(text: str) -> None:
    """What is made of the words for whoever runs a server where nobody hears them."""


def make_site(mount_point: MountPoint, shared: Shared, say: Callable[[str], None], submit: Submit | None) -> Site:
    """Return the site of a root."""
    rules = read_rules(mount_point, shared.config, shared.clock, say, submit)
    return Site(mount_point.root, mount_point.base, shared, rules)


def read_rules(
    mount_point: MountPoint, config: Config, clock: Clock, say: Callable[[str], None], submit: Submit | None = None
) -> SiteRules | None:
    """Return the rules of a root; None where it has none by the settings. ``submit`` runs later reading in a thread."""
    base, root, outer = mount_point
    provider = choose_provider(config)
    if config.rules == "off" or root.only is not None or not provider.rule_files:
        return None
    # Imported here, and below: only a site that uses it pays for it.
    from fastfile.rules.reload import SiteRules

    def say_of_mount(text: str) -> None:
        say(f"/{printable(base.decode())}: {text}" if base else text)

    return SiteRules(root, clock, say_of_mount, provider, outer, submit)


def make_application(
    config: Config,
    mount_points: Sequence[MountPoint],
    clock: Clock,
    log_failure: Callable[[BaseException], None],
    submit: Submit | None = None,
    note: Note = take_no_note,
    say: Callable[[str], None] = say_nothing,
    read: Submit | None = None,
) -> Handler:
    """Return what answers the requests; the roots stay the caller's.

    ``submit`` runs what nobody waits for. ``note`` hears which step found what, ``say`` what is wrong
    with the rules of a root. ``read`` runs what a response waits for while it is sent.
    """
    changes = common_changes(config)
    cache: Cache[Entry] = Cache(config.cache_size, config.cache_files)
    clock.on_set_back = cache.clear  # RFC 9110 §8.8.2.1: no cached Last-Modified may be later than Date
    compression = None
    if config.compress and submit is not None:
        # Imported here: only --compress pays for it.
        from fastfile.site.compression import Compression

        compression = Compression(cache, submit, log_failure)
    hints = None
    if note is not take_no_note:
        hints = Hints(say_nothing)
    elif not allowed_hosts(config):  # only this machine is served, and not by way of a proxy
        hints = Hints(say)
    tags = Tags(config.etag)
    shared = Shared(config, clock, cache, ErrorPages(changes), changes, tags, compression, note, hints, read)
    sites: list[Site | Entrance] = [make_site(mount_point, shared, say, submit) for mount_point in mount_points]
    main = mount_points[0]
    if main.root.only is not None and main.base and config.base is None:
        sites.append(Entrance(main.base, shared))
    return Handler(Mounts(sites), shared, log_failure)


def add_gates(
    handler: Responder, config: Config, clock: Clock, log_failure: Callable[[BaseException], None]
) -> Responder:
    """Return what requests have to go through to the handler; the handler itself where the settings ask for nothing.

    --health stands outside of --auth, since probes have no password, and --cors outside of both, so that a page may
    read that its password was wrong.
    """
    # Imported here: only who asks for a gate pays for it. serve.preload() has done so before the sandbox.
    if config.auth or config.auth_file is not None:
        from fastfile.middleware.auth import Auth

        handler = Auth(handler, config, clock, log_failure)
    if config.health is not None:
        from fastfile.middleware.health import Health

        handler = Health(handler, config.health, common_changes(config))
    if config.cors and config.cors != ("*",):
        from fastfile.middleware.cors import Cors

        handler = Cors(handler, config)
    return handler
