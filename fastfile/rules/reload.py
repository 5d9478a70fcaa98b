"""The rules of one root, and when they are read again.

At the start the files are read whole, before anything is served. Later, a changed file is read and made into rules in a
thread, once it has settled; the old rules apply until then. The stamp of an existing file goes into every entry made
under it. A missing file costs requests nothing: the worker looks for it once a second, and so does a request that looks
on the disk anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from fastfile.clock import Clock
from fastfile.errors import make_unavailable
from fastfile.http.field_changes import NO_CHANGES, FieldChanges
from fastfile.message import RequestHead
from fastfile.records import NamedTuple
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.providers import FASTFILE, Provider
from fastfile.rules.readers import RuleFile, RuleSet, make_rule_set
from fastfile.rules.rule import Problem, Rule
from fastfile.rules.rulebook import NO_MATCH, RuleMatch
from fastfile.storage.deploy_files import (
    OpenedFile,
    hidden_names,
    is_deploy_file_settled,
    make_folder_stamp,
    open_deploy_file,
    read_opened_file,
)
from fastfile.storage.freshness import Stamp
from fastfile.storage.root import Root
from fastfile.terminal import printable

MAX_SAID = 20  # problems: users with more can fix some and see the others
RETRY_S = 0.02  # until files that change, or cannot be read at the moment, are read again

Submit = Callable[[Callable[[], Any], Callable[[Future[Any]], None]], Future[Any] | None]
_Opened = tuple[str, str, OpenedFile]  # the name of a rule file, and the one under which it is shown


class _Snapshot(NamedTuple):
    """The state of the files at one time. ``rule_set`` is None if it has not changed."""

    files: Sequence[RuleFile]
    watched: Sequence[tuple[Stamp, bool]]  # with whether each shows every change from now on
    rule_set: RuleSet | None
    is_busy: bool  # an existing file cannot be read at the moment


class _Watch:
    """The stamps of the rule files: whether one changed, appeared or disappeared since they were opened."""

    def __init__(self, root: Root, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._folder: Stamp | None = None
        self._looked_s = clock.wall_s
        self.present: tuple[Stamp, ...] = ()
        self._absent: tuple[Stamp, ...] = ()
        self.is_settled = False  # the stamps show every change from now on

    def begin(self) -> None:
        """Stamp the folder, before its files are opened, so that no change is missed."""
        self._folder = make_folder_stamp(self._root)

    def adopt(self, watched: Sequence[tuple[Stamp, bool]], is_busy: bool) -> None:
        """Watch these stamps from now on."""
        self.present = tuple([stamp for stamp, _ in watched if stamp.signature])
        self._absent = tuple([stamp for stamp, _ in watched if not stamp.signature])
        self.is_settled = not is_busy and all(settled for _, settled in watched)

    def is_current(self) -> bool:
        """Tell whether nothing has changed. Looks for files that appeared once a second, or if the folder changed."""
        if not self.is_settled or not _are_fresh(self.present, self._clock):
            return False
        now_s = self._clock.wall_s
        if now_s == self._looked_s and self._folder is not None and self._folder.is_fresh(self._clock):
            return True
        folder = make_folder_stamp(self._root)
        if not _are_fresh(self._absent, self._clock):
            return False
        self._looked_s = now_s
        self._folder = folder
        return True

    def absence(self) -> Stamp | None:
        """Return the stamp of the folder if no file can have appeared in it; None otherwise."""
        if not self.is_settled or self._clock.wall_s != self._looked_s or self._folder is None:
            return None
        return self._folder if self._folder.is_fresh(self._clock) else None


class SiteRules:
    """The current rules. ``say`` gets the problems of the files, once per load.

    ``submit`` runs work in a thread; without it changes are read at once. ``provider`` says which files are read, and
    becomes the provider that they modify. ``outer`` is searched for files that are not in the root.
    """

    def __init__(
        self,
        root: Root,
        clock: Clock,
        say: Callable[[str], None],
        provider: Provider = FASTFILE,
        outer: Root | None = None,
        submit: Submit | None = None,
    ) -> None:
        self._root = root
        self._outer = outer
        self._clock = clock
        self._say = say
        self._submit = submit
        self._plain_provider = provider
        self.hidden = hidden_names(tuple(name.encode() for name in (*provider.rule_files, *provider.unserved)))
        self._watch = _Watch(root, clock)
        self._retry_s = 0.0  # on the monotonic clock
        self._is_reading = False
        self._is_changed = False
        self._files: Sequence[RuleFile] = ()
        self._is_unread = False  # an existing file could never be read
        self._set = make_rule_set((), provider)
        self._adopt(self._read(self._open()))
        self._is_changed = False

    @property
    def provider(self) -> Provider:
        """The provider as modified by the files."""
        return self._set.provider

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules for requests, in their order."""
        return self._set.rules

    @property
    def problems(self) -> Sequence[Problem]:
        """The lines of the files that cannot be used."""
        return self._set.problems

    def refresh(self) -> bool:
        """Check whether a file changed, appeared or disappeared; tell whether the rules differ since the last call."""
        if not self._is_reading and not self._watch.is_current() and self._clock.monotonic_s >= self._retry_s:
            self._begin_reading()
        changed, self._is_changed = self._is_changed, False
        return changed

    def _begin_reading(self) -> None:
        if self._submit is None:
            self._adopt(self._read(self._open()))
            return
        self._retry_s = self._clock.monotonic_s + RETRY_S
        roots = (self._root,) if self._outer is None else (self._root, self._outer)
        names = [name.encode() for name in self._plain_provider.rule_files]
        if not all(is_deploy_file_settled(root, name) for root in roots for name in names):
            return
        opened = self._open()
        self._is_reading = self._submit(partial(self._read, opened), self._on_read) is not None
        if not self._is_reading:
            for _, _, file in opened:
                file.close()

    def _on_read(self, future: Future[Any]) -> None:
        self._is_reading = False
        self._adopt(future.result())

    def _open(self) -> list[_Opened]:
        """Open the files, after the places where each was looked for in vain."""
        self._watch.begin()
        opened: list[_Opened] = []
        for name in self._plain_provider.rule_files:
            file = open_deploy_file(self._root, name.encode())
            opened.append((name, name, file))
            if file.is_absent and self._outer is not None and name in self._plain_provider.beside:
                opened.append((name, f"../{name}", open_deploy_file(self._outer, name.encode())))
        return opened

    def _read(self, opened: Sequence[_Opened]) -> _Snapshot:
        """Read opened files and make rules of them; for any thread."""
        known = self._files
        files: list[RuleFile] = []
        watched: list[tuple[Stamp, bool]] = []
        is_busy = False
        for name, shown, opened_file in opened:
            file = read_opened_file(opened_file)
            watched.append((file.stamp, file.settled))
            is_busy = is_busy or file.is_busy
            if file.content is not None or file.problem:
                files.append(RuleFile(name, shown, file))
        if is_busy or [_content(file) for file in files] == [_content(file) for file in known]:
            return _Snapshot(files, watched, None, is_busy)
        return _Snapshot(files, watched, make_rule_set(files, self._plain_provider), is_busy)

    def _adopt(self, snapshot: _Snapshot) -> None:
        self._watch.adopt(snapshot.watched, snapshot.is_busy)
        if snapshot.is_busy:
            # The old rules stay in force; if there are none, no file is served that a rule might hide.
            self._retry_s = self._clock.monotonic_s + RETRY_S
            self._is_unread = not self._files
            return
        self._is_changed = self._is_changed or self._is_unread or snapshot.rule_set is not None
        self._is_unread = False
        self._files = snapshot.files
        if snapshot.rule_set is not None:
            before, self._set = self._set, snapshot.rule_set
            if self._set.problems != before.problems:
                self._tell(self._set.problems)

    def _tell(self, problems: Sequence[Problem]) -> None:
        for problem in problems[:MAX_SAID]:
            self._say(printable(str(problem)))
        if len(problems) > MAX_SAID:
            self._say(f"{len(problems) - MAX_SAID} more lines cannot be used")

    def stamps(self) -> tuple[Stamp, ...] | None:
        """Return stamps that show a change of the rules; None if a change could go unnoticed."""
        return self._watch.present if self._watch.is_settled else None

    def absence(self) -> Stamp | None:
        """Return the stamp of the root if it has no rule files and none can have appeared; None otherwise."""
        return None if self._has_any() or self._is_unread or self._is_reading else self._watch.absence()

    def _has_any(self) -> bool:
        """Tell whether there is a rule file, or a rule of the provider."""
        return bool(self._watch.present) or self._set.has_rules or self._set.has_fields

    def hides(self, path: bytes) -> bool:
        """Tell whether a Target's path is one of the files themselves."""
        return path.lower() in self.hidden  # some file systems ignore case

    def match(self, page: PagePath, query: bytes | None = None, head: RequestHead | None = None) -> RuleMatch:
        """Return the result of the rules for a request: the destination, header changes, Vary. One lookup.

        Without ``head`` it is for all requests for the path. Raises HTTPError: 503 while a rule file cannot be read,
        414 and 431 for a request that is too long for the rules.
        """
        if self._is_unread:
            raise make_unavailable("The rules of this site cannot be read at the moment.")
        if self.hides(page.path):
            return _HIDDEN
        path = _path_of(page)
        matched = self._set.book.match(path, query, head) if self._set.has_rules else NO_MATCH
        return matched._replace(changes=self._set.fields.changes(path)) if self._set.has_fields else matched

    def forces(self, path: bytes) -> bool:
        """Tell whether a rule wins over the file at a path, for some requests or for all."""
        return self._set.has_rules and self._set.book.forces(_path_of(PagePath(path, False)))

    def changes(self, page: PagePath) -> FieldChanges:
        """Return the rules' changes to the headers of a response at a path."""
        return self._set.fields.changes(_path_of(page)) if self._set.has_fields else NO_CHANGES


_HIDDEN = RuleMatch(is_hidden=True)


def _content(file: RuleFile) -> tuple[str, bytes | None, str]:
    return file.shown, file.file.content, file.file.problem


def _are_fresh(stamps: Sequence[Stamp], clock: Clock) -> bool:
    return all(stamp.is_fresh(clock) for stamp in stamps)


def _path_of(page: PagePath) -> bytes:
    return b"/" + page.path + (b"/" if page.is_directory and page.path else b"")
