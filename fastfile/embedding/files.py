"""The files of one folder, for a program that receives the requests itself.

It has the semantics, caches and pages of the server (application.py); a host has the sockets. One Files belongs to one
thread, or to the holder of a lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from fastfile.application import MountPoint, add_gates, make_application, open_roots, say_nothing
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.embedding.heads import make_head
from fastfile.embedding.options import FilesOptions
from fastfile.embedding.settings import (
    Directory,
    find_root,
    make_config,
    make_texts,
    name_directory,
    spare_descriptors,
    wrong_type,
)
from fastfile.errors import ConfigError, HTTPError
from fastfile.http.navigation import names_page
from fastfile.http.target import encode_path, join, parse_target
from fastfile.message import Deferred, RequestHead, Response
from fastfile.records import NamedTuple
from fastfile.responder import Responder
from fastfile.site.compression import Submit

logger = logging.getLogger("fastfile")

# Statuses that mean that there is no file at a path, so that the application behind the files gets the request. An
# application may give a meaning to a target that no file can have.
PASSED_ON = frozenset((400, 404))
MAX_MOUNTS = 16  # paths at which one application may be mounted; each has its own cache
PAGE_STATUSES = frozenset((200, 304))
MOVED = frozenset((301, 302, 307, 308))


class Plan(NamedTuple):
    """Checked settings, the folder to serve, and whether there is an application behind the files."""

    config: Config
    root_path: str
    has_app: bool
    prefix: bytes  # the path of the folder, below where the program mounts it


def make_plan(directory: Directory, options: FilesOptions, has_app: bool, prefix: str, source: str) -> Plan:
    """Return the plan of Python keywords. Raises ConfigError and StartError."""
    texts = make_texts(options, FilesOptions.__annotations__, source)
    if not isinstance(prefix, str):
        raise wrong_type("prefix", source, "a path", prefix)
    if prefix.strip("/"):
        if "base" in texts:
            raise ConfigError("--base", source, "cannot be used with prefix: they mean the same")
        texts["base"] = ["/" + prefix.strip("/")]
    texts["directory"] = name_directory(directory, source)
    # Host names are the host's business, like the Server field, and a list of files is not a page of an application.
    config = make_config(texts, source, allowed_host=("*",), listing=False, server_header=False)
    if has_app and (config.auth or config.auth_file is not None):
        raise ConfigError("--auth", source, "cannot be used with app=: the application controls access")
    config, root_path = find_root(config)
    for mount_point in open_roots(config, os.fsencode(root_path)):
        mount_point.root.close()  # it could be opened
    return Plan(config, root_path, has_app, (config.base or "").strip("/").encode())


def check_application(app: object, source: str) -> None:
    """Raise ConfigError if there is an application that cannot be called."""
    if app is not None and not callable(app):
        raise wrong_type("app", source, "an application", app)


class Files:
    """Responds to requests whose targets begin with ``mount``, a decoded path.

    ``submit`` runs background work in a thread, ``read`` reads that a body waits for; without them there is no
    compression, and bodies wait for the disk.
    """

    def __init__(
        self, plan: Plan, mount: str, clock: Clock, submit: Submit | None = None, read: Submit | None = None
    ) -> None:
        config = spare_descriptors(plan.config)
        base_path = mount.strip("/").encode("utf-8", "surrogateescape")
        if config.health is not None:
            config = config.replace(health=(b"/" + encode_path(base_path)).decode().rstrip("/") + config.health)
        self.clock = clock
        self._looked_s = clock.wall_s
        mount_points = [
            MountPoint(join(base_path, base) if base else base_path, root, outer)
            for base, root, outer, _ in open_roots(config, os.fsencode(plan.root_path))
        ]

        def make(config: Config, say: Callable[[str], None]) -> Responder:
            handler = make_application(config, mount_points, clock, report_failure, submit, say=say, read=read)
            self._sites.append(handler.look_around)
            return add_gates(handler, config, self.clock, report_failure)

        self._sites: list[Callable[[], None]] = []
        self._pages: Responder | None = None
        self._has_app = plan.has_app
        if plan.has_app and config.spa is not None:
            self._pages = make(config, say_nothing)  # the handler of the same folder says it
            config = config.replace(spa=None)
        self._handler = make(config, logger.warning)

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return the response to a request, now or later; it never raises."""
        self.begin()
        response = self._handler.respond(head)
        if not self._has_app:
            return response
        if isinstance(response, Deferred):
            return response.map(lambda response: self._judge_move(head, response))
        return self._judge_move(head, response) if response.status in MOVED else response

    def refuse(self, error: HTTPError, head: RequestHead) -> Response:
        """Return the response to a request that the host refuses."""
        return self._handler.refuse(error, head)

    def begin(self) -> None:
        """Note that time has passed: the disk may have changed."""
        clock = self.clock
        clock.begin_batch()
        if clock.wall_s != self._looked_s:
            self._looked_s = clock.wall_s
            for look_around in self._sites:
                look_around()

    def find_page(self, head: RequestHead) -> Response | Deferred | None:
        """Return the app's page for a navigation to a path that the application does not know; None for other requests.

        A client that only accepts anything, such as curl or a test client, gets the application's 404. The result is
        that page only if its status is in PAGE_STATUSES.
        """
        if self._pages is None or not names_page(head):
            return None
        self.begin()
        return self._pages.respond(head)

    def _judge_move(self, head: RequestHead, response: Response) -> Response | Deferred:
        """Return the 404 instead of a redirect to a folder without a page: its path may be the application's."""
        if response.status not in MOVED:
            return response
        location = dict(response.fields).get(b"Location", b"")
        try:
            if parse_target(location).path != parse_target(head.target).path:
                return response
        except HTTPError:  # it leads to another site
            return response
        there = self._handler.respond(make_head("GET", location, ()))
        if isinstance(there, Deferred):
            return there.map(lambda there: there if there.status == 404 else response)
        return there if there.status == 404 else response

    @property
    def has_pages(self) -> bool:
        """Whether find_page() may find one."""
        return self._pages is not None


def report_failure(error: BaseException) -> None:
    """Log a bug; the client gets a 500."""
    logger.error("a request failed", exc_info=error)
