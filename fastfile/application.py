"""The application: builds everything between a request head and its response from the settings.

A worker serves one. Tests and programs with connections of their own can do the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import encode_path
from fastfile.records import NamedTuple
from fastfile.responder import Responder
from fastfile.rules.providers import choose_provider
from fastfile.site.common_fields import common_changes
from fastfile.site.error_pages import ErrorPages
from fastfile.site.handler import Handler, allowed_hosts
from fastfile.site.hints import Hints, explain_outside
from fastfile.site.mounts import Entrance, Mounted, Mounts, Outside
from fastfile.site.shared import Note, Shared, take_no_note
from fastfile.site.steps.lookup import Site
from fastfile.storage.cache import Cache
from fastfile.storage.mount_table import is_on_remote_disk
from fastfile.storage.root import Root
from fastfile.storage.tags import Tags
from fastfile.terminal import printable

if TYPE_CHECKING:
    from fastfile.middleware.health import Freshness
    from fastfile.rules.reload import SiteRules
    from fastfile.site.compression import Submit
    from fastfile.site.remote import DiskThreads, RemoteSite
    from fastfile.site.steps.followed import Asking, FollowedSite
    from fastfile.storage.release_tree import ReleaseTree


OpenThreads = Callable[[], "DiskThreads"]


class MountPoint(NamedTuple):
    """A root and the path of its mount, without outer slashes; b"" for the whole server.

    ``outer`` is the folder around the root, for providers whose rule files are there. ``link`` leads to the root if it
    is a release; it may lead to another one later.
    """

    base: bytes
    root: Root
    outer: Root | None = None
    link: bytes | None = None


def open_roots(config: Config, root_path: bytes, on_lost: Callable[[], None] | None = None) -> tuple[MountPoint, ...]:
    """Open the roots. Raises StartError."""
    link = None if config.location is None else root_path
    main = Root(root_path if link is None else os.path.realpath(link), config.follow_symlinks, on_lost)
    # A single file is served at its name, so that a browser saves it under that name.
    base = (main.only or b"") if config.base is None else config.base.strip("/").encode()
    mounts = [
        MountPoint(path.strip("/").encode(), Root(os.fsencode(folder), config.follow_symlinks, on_lost))
        for path, folder in config.mount
    ]
    outer = None if link is not None else _open_outer(config, main)
    return (MountPoint(base, main, outer, link), *mounts)


def _open_outer(config: Config, root: Root) -> Root | None:
    """Open the folder around a root if the provider reads it; None otherwise, and if it cannot be opened."""
    if not choose_provider(config).beside or root.only is not None:
        return None
    try:
        return Root(os.path.dirname(root.path), config.follow_symlinks)
    except StartError:
        return None


def say_nothing(text: str) -> None:
    """Discard operator messages."""


def make_site(mount_point: MountPoint, shared: Shared, say: Callable[[str], None], submit: Submit | None) -> Site:
    """Return the site of a root."""
    rules = read_rules(mount_point, shared.config, shared.clock, say, submit)
    return Site(mount_point.root, mount_point.base, shared, rules)


def read_rules(
    mount_point: MountPoint, config: Config, clock: Clock, say: Callable[[str], None], submit: Submit | None = None
) -> SiteRules | None:
    """Return the rules of a root; None if the settings turn them off. ``submit`` runs later reads in a thread."""
    base, root, outer, _ = mount_point
    provider = choose_provider(config)
    if config.rules == "off" or root.only is not None or not provider.rule_files:
        return None
    # This import and those below are late, so that a server without the feature starts faster.
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
    open_threads: OpenThreads | None = None,
    asking: Asking | None = None,
) -> Handler:
    """Return the handler of requests. The caller keeps the roots and closes them.

    ``submit`` runs background work in a thread, ``read`` runs reads that a response waits for while it is sent.
    ``note`` gets the result of each step, ``say`` the problems of a root's rules, and hints. ``open_threads`` makes the
    threads of a disk that can hang; without it the event loop waits for such a disk. ``asking`` asks for a newer
    release, if the site follows one.
    """
    main = mount_points[0]
    shared = make_shared(config, clock, log_failure, submit, note, say, read, main)
    sites: list[Mounted] = []
    for mount_point in mount_points:
        if mount_point.link is not None:
            sites.append(make_followed_site(mount_point, mount_point.link, shared, say, asking))
        elif open_threads is not None and is_remote(mount_point, config):
            sites.append(make_remote_site(mount_point, config, open_threads(), log_failure, say, main))
        else:
            sites.append(make_site(mount_point, shared, say, submit))
    if main.root.only is not None and main.base and config.base is None:
        sites.append(Entrance(main.base, shared))
    hint = explain_outside(main.base, main.root.only is not None, len(mount_points) > 1)
    return Handler(Mounts(sites, Outside(hint, shared)), shared, log_failure)


def make_followed_site(
    mount_point: MountPoint, link: bytes, shared: Shared, say: Callable[[str], None], asking: Asking | None
) -> FollowedSite:
    """Return the site of the release that a link leads to."""
    from fastfile.site.steps.followed import FixedRules, FollowedSite

    config = shared.config
    provider = choose_provider(config)

    def read_rules(tree: ReleaseTree, say: Callable[[str], None]) -> SiteRules | None:
        if config.rules == "off" or not provider.rule_files:
            return None
        return FixedRules(tree.root, Clock(), say, provider)

    shared = shared._replace(tags=Tags(config.etag, is_fixed=True))
    return FollowedSite(link, mount_point.base, shared, read_rules, say, shared.read, asking)


def make_shared(
    config: Config,
    clock: Clock,
    log_failure: Callable[[BaseException], None],
    submit: Submit | None,
    note: Note,
    say: Callable[[str], None],
    read: Submit | None,
    main: MountPoint,
) -> Shared:
    """Return the state that the sites of one thread share; ``main`` is the mount of the served folder or file."""
    changes = common_changes(config)
    base = b"" if config.base is None else main.base
    home = f"/{encode_path(base).decode()}{'/' if base and main.root.only is None else ''}"
    cache = Cache(config.cache_size, config.cache_files)
    clock.on_set_back = cache.clear  # RFC 9110 §8.8.2.1: no cached Last-Modified may be later than Date
    compression = None
    if config.compress and submit is not None:
        # Imported here: only --compress needs it.
        from fastfile.site.compression import Compression

        compression = Compression(cache, submit, log_failure)
    hints = None
    if note is not take_no_note:
        hints = Hints(say_nothing)
    elif not allowed_hosts(config):  # only on loopback, without names of other machines
        hints = Hints(say if sys.stderr is not None and sys.stderr.isatty() else say_nothing)
    tags = Tags(config.etag)
    return Shared(config, clock, cache, ErrorPages(changes, home), changes, tags, compression, note, hints, read, base)


def is_remote(mount_point: MountPoint, config: Config) -> bool:
    """Tell whether a root is on a disk that can hang."""
    if config.remote_disk != "auto":
        return config.remote_disk == "on"
    return is_on_remote_disk(mount_point.root.path)


def make_remote_site(
    mount_point: MountPoint,
    config: Config,
    threads: DiskThreads,
    log_failure: Callable[[BaseException], None],
    say: Callable[[str], None],
    main: MountPoint,
) -> RemoteSite:
    """Return the site of a root on a disk that can hang, with a handler that only its thread uses.

    ``main`` is the mount of the served folder or file.
    """
    from fastfile.site.remote import RemoteSite, encoder

    clock = Clock()
    report, tell = partial(threads.call, log_failure), partial(threads.call, say)
    submit = encoder(threads, clock)
    shared = make_shared(config, clock, report, submit, take_no_note, tell, threads.read, main)
    # Without ``submit``, changed rules are read at once, in this thread.
    site = make_site(mount_point, shared, tell, None)
    return RemoteSite(mount_point.base, Handler(Mounts((site,)), shared, report), clock, threads)


def add_gates(
    handler: Responder,
    config: Config,
    clock: Clock,
    log_failure: Callable[[BaseException], None],
    authority: bytes = b"",
    follower: Freshness | None = None,
) -> Responder:
    """Return the handler inside the middleware of the settings.

    --health is outside of --auth, because probes have no password. --cors is outside of both, so that a page can read
    that its password was wrong. ``authority`` is the certificate of the local CA that phones can download. ``follower``
    says how fresh the served release is.
    """
    # Imported here, because only these options need it. serve.preload() imports it before the sandbox.
    if config.auth or config.auth_file is not None:
        from fastfile.middleware.auth import Auth

        handler = Auth(handler, config, clock, log_failure)
    if config.health is not None:
        from fastfile.middleware.health import Health

        handler = Health(handler, config.health, common_changes(config), follower, config.store_max_age)
    if config.http == "2":
        from fastfile.middleware.http2 import Http2Only

        handler = Http2Only(handler)
    if config.cors and config.cors != ("*",):
        from fastfile.middleware.cors import Cors

        handler = Cors(handler, config)
    if authority:
        from fastfile.middleware.ca_download import CaDownload

        handler = CaDownload(handler, authority, common_changes(config))
    return handler


def make_refusal(config: Config) -> Responder:
    """Return the responder for plain HTTP on a port for TLS."""
    from fastfile.middleware.https import HttpsRefusal

    return HttpsRefusal(plain_changes(config))


def make_redirect(handler: Responder, config: Config, port: int) -> Responder:
    """Return the responder on the port of --redirect-http; ``port`` is that of HTTPS."""
    from fastfile.middleware.https import HttpsRedirect

    return HttpsRedirect(handler, allowed_hosts(config), port, plain_changes(config))


def plain_changes(config: Config) -> FieldChanges:
    """Return the changes to the fields of responses in plain HTTP, which must not have HSTS (RFC 6797 §7.2)."""
    return common_changes(config.replace(hsts=None))
