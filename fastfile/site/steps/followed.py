"""A site that follows the current release: each request sees one release, and no 404 is older than the store's pointer.

The follower process switches a link (ARCHITECTURE.md, decision 26). The next request notices, and waits while a thread
opens the new release and reads its rules. Before a response that says that no file is there, the follower is asked
whether there is a newer release. Without an answer, a request for an asset gets 503: the page that refers to it may be
of a newer release, and a proxy can try another replica. Other requests get the 404 of the release on the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from fastfile.errors import HTTPError, Postponed, StartError, make_unavailable
from fastfile.http.content.content_hash import is_immutable
from fastfile.http.navigation import is_navigation
from fastfile.http.target import Target
from fastfile.message import RequestHead, Response
from fastfile.rules.reload import SiteRules
from fastfile.sendfile import read_signature
from fastfile.site.compression import Submit
from fastfile.site.context import Found
from fastfile.site.entry import Entry
from fastfile.site.plain_files import PlainFiles
from fastfile.site.shared import Shared
from fastfile.site.steps.lookup import Site
from fastfile.storage.freshness import Stamp
from fastfile.storage.release_tree import ReleaseStamps, ReleaseTree, open_tree

RETRY_S = 1.0  # after a release could not be opened
# Without these, a page does not work; names with a hash are assets too.
_ASSETS = (b".js", b".mjs", b".css", b".json", b".wasm", b".eot", b".otf", b".ttf", b".woff", b".woff2")

OnDone = Callable[[Future[Any]], None]
Say = Callable[[str], None]
ReadRules = Callable[[ReleaseTree, Say], SiteRules | None]


class Asking(Protocol):
    """Asks the follower for a newer release (server/following/asking.py)."""

    @property
    def is_useful(self) -> bool:
        """Whether an answer can be expected: the follower runs, and the store has answered it."""

    @property
    def is_fixed(self) -> bool:
        """True if the release never changes: then the follower is not asked."""

    def ask(self, on_answer: Callable[[bool], None]) -> None:
        """Call back on the event loop: with True once the pointer was read after this call, else when that failed."""


class FixedRules(SiteRules):
    """The rules of one release, which do not change."""

    def refresh(self) -> bool:
        return False

    def stamps(self) -> tuple[Stamp, ...]:
        return ()

    def absence(self) -> Stamp | None:
        if self._has_any():
            return None
        path = self._root.absolute(b"")
        return Stamp(path, read_signature(path))


class FollowedSite:
    """Replaces a Site in Mounts. ``link`` leads to the folder of the current release.

    ``read_rules`` runs in a thread, which ``submit`` starts. Without ``asking``, the release never changes.
    """

    def __init__(
        self,
        link: bytes,
        base: bytes,
        shared: Shared,
        read_rules: ReadRules,
        say: Say,
        submit: Submit | None = None,
        asking: Asking | None = None,
    ) -> None:
        self.base = base
        self._link = link
        self._shared = shared
        self._read_rules = read_rules
        self._say = say
        self._submit = submit
        self._asking = asking
        # These look again: the question was answered (True), or could not be.
        self._answered: dict[RequestHead, bool] = {}
        self._retry_s = 0.0
        self._opening: Opening | None = None
        opening = Opening(link, read_rules)
        opening()
        if opening.error is not None:
            raise opening.error
        self._adopt(opening)

    @property
    def plain(self) -> PlainFiles | None:
        """What finds plain files of the release; None if find() must open a new release first."""
        return self._site.plain if self._stamp.is_fresh(self._shared.clock) else None

    def find(self, target: Target, head: RequestHead) -> Found:
        """Return the result for the target in the current release.

        Raises Postponed while a new release is opened, and before the result is that no file is there; HTTPError 503 if
        an asset is not there and the store cannot say whether a newer release has it.
        """
        if not self._is_current():
            assert self._opening is not None
            raise Postponed(self._opening)
        answered = self._answered.pop(head, None)
        try:
            lookup = self._site.begin(target, head)
            found = self._site.find_file(lookup)
            is_file = found is not None
            if found is None:
                found = self._site.find_substitute(lookup)
        except HTTPError as error:
            if error.status != 404 or self._is_absent(target, answered):
                raise
        else:
            if not _tells_absence(found, is_file, head) or self._is_absent(target, answered):
                return found
        assert self._asking is not None
        raise Postponed(Question(self._asking, self._answered, head))

    def look_around(self) -> None:
        """Open a new release before a request needs it."""
        if not self._is_current() and self._submit is not None:
            assert self._opening is not None
            if self._submit(self._opening, self._note_opened) is None:
                self._opening()

    def failure_page(self, path: bytes) -> bytes | None:
        """Return the page for failures at a path, if the site has its own."""
        return self._site.failure_page(path)

    def _is_absent(self, target: Target, answered: bool | None) -> bool:
        """Tell whether a response may say that nothing is at the target; False: the follower must be asked first.

        Raises HTTPError 503 for an asset if the store cannot say whether a newer release has it.
        """
        if answered or self._asking is None or self._asking.is_fixed:
            return True
        if answered is None and self._asking.is_useful:
            return False
        if _is_asset(target.path):
            raise make_unavailable("This file may be in a newer release, which the server cannot read now.")
        return True

    def _note_opened(self, job: Future[Any]) -> None:
        self._is_current()

    def _is_current(self) -> bool:
        """Tell whether the current release is the one that is served; begin to open it if not."""
        clock = self._shared.clock
        if self._stamp.is_fresh(clock) or clock.monotonic_s < self._retry_s:
            return True
        opening = self._opening
        if opening is not None and opening.error is not None:
            # The old release goes on: its files are still open, and the follower will say what is wrong.
            self._say(str(opening.error))
            self._opening = None
            self._retry_s = clock.monotonic_s + RETRY_S
            return True
        if opening is not None and opening.tree is not None and opening.tree.stamp.is_fresh(clock):
            self._adopt(opening)
            return True
        if opening is None or opening.tree is not None:  # none was begun, or the link was switched again meanwhile
            self._opening = Opening(self._link, self._read_rules)
        return False

    def _adopt(self, opening: Opening) -> None:
        """Serve an opened release from now on."""
        tree = opening.tree
        assert tree is not None
        self._opening = None
        self._stamp = tree.stamp
        self._shared.cache.clear()
        self._site = Site(tree.root, self.base, self._shared, opening.rules, ReleaseStamps(tree))
        for text in opening.said:
            self._say(text)


class Opening:
    """Opens the current release, in a thread. Afterwards it has ``tree`` and ``rules``, or ``error``."""

    def __init__(self, link: bytes, read_rules: ReadRules) -> None:
        self._link = link
        self._read_rules = read_rules
        self.tree: ReleaseTree | None = None
        self.rules: SiteRules | None = None
        self.error: StartError | None = None
        self.said: list[str] = []  # about the rules

    def __call__(self) -> None:
        try:
            tree = open_tree(self._link)
            self.rules = self._read_rules(tree, self.said.append)
            self.tree = tree
        except StartError as error:
            self.error = error


class Question:
    """The job of one request that waits for an answer of the follower; it needs no thread."""

    def __init__(self, asking: Asking, answered: dict[RequestHead, bool], head: RequestHead) -> None:
        self._asking = asking
        self._answered = answered
        self._head = head
        self._future: Future[Any] = Future()

    def __call__(self) -> None:
        raise AssertionError("submit() does the work")

    def submit(self, on_done: OnDone) -> Future[Any]:
        """Ask, and call ``on_done`` on the event loop with the returned future."""
        self._on_done = on_done
        self._asking.ask(self._answer)
        return self._future

    def _answer(self, is_confirmed: bool) -> None:
        if not self._future.done():  # otherwise the client has gone
            self._answered[self._head] = is_confirmed
            self._future.set_result(None)
            self._on_done(self._future)


def _tells_absence(found: Found, is_file: bool, head: RequestHead) -> bool:
    """Tell whether a result says that no file is at the target, in a way that a newer release could correct.

    An app's page is a page for a navigation, but it says that a script or an image is missing.
    """
    if isinstance(found, Response):
        return found.status == 404
    if not isinstance(found, Entry):
        return False
    if found.status == 404:
        return found.fallback is None or not is_navigation(head)
    return not is_file and not is_navigation(head)


def _is_asset(path: bytes) -> bool:
    """Tell whether a page may load a file with this path, and not work without it."""
    return path.lower().endswith(_ASSETS) or is_immutable(path)
