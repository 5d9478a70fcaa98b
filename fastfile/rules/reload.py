"""The rules of one root: what a Site asks about redirects, rewrites and fields. Read again when a file changes.

A file that is there is watched by its stamp, which goes into every answer that was made under it. One that is not there
costs no request anything: the worker looks for it once a second, and so does a request that looks on the disk anyway,
then or as soon as names come or go in the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastfile.clock import Clock
from fastfile.http.field_changes import NO_CHANGES, FieldChanges
from fastfile.message import RequestHead
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.headers import FieldBook, parse_headers
from fastfile.rules.providers import FASTFILE, Provider
from fastfile.rules.redirects import parse_redirects
from fastfile.rules.rule import Dialect, HeaderRule, Place, Problem, Rule
from fastfile.rules.rulebook import NO_MATCH, Rulebook, RuleMatch
from fastfile.storage.deploy_files import DeployFile, hidden_names, make_folder_stamp, read_deploy_file
from fastfile.storage.freshness import Stamp
from fastfile.storage.root import Root
from fastfile.terminal import printable


class Parsed(NamedTuple):
    """What one file says; ``host`` is the one that it makes of ours, if it does."""

    rules: Sequence[Rule] = ()
    header_rules: Sequence[HeaderRule] = ()
    problems: Sequence[Problem] = ()
    provider: Provider | None = None


def _read_redirects(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_redirects(content, file, dialect)
    return Parsed(rules, (), problems)


def _read_headers(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_headers(content, file, dialect)
    return Parsed((), rules, problems)


def _read_vercel_config(content: bytes, file: str, _dialect: Dialect) -> Parsed:
    # Imported here, and below: who has no such file pays nothing for it.
    from fastfile.rules.vercel import read_vercel_config

    provider, rules, header_rules, problems = read_vercel_config(content, file)
    return Parsed(rules, header_rules, problems, provider)


def _read_serve_config(content: bytes, file: str, _dialect: Dialect) -> Parsed:
    from fastfile.rules.serve import read_serve_config

    provider, rules, header_rules, problems = read_serve_config(content, file)
    return Parsed(rules, header_rules, problems, provider)


MAX_SAID = 20  # problems: who has more will mend one and see the others
READERS: dict[str, Callable[[bytes, str, Dialect], Parsed]] = {
    "_redirects": _read_redirects,
    "_headers": _read_headers,
    "vercel.json": _read_vercel_config,
    "serve.json": _read_serve_config,
}


class SiteRules:
    """``say`` is told once of each load what is wrong with the files.

    ``host`` says which files are read, and is the one that they make of it. ``outer`` is where they are looked for if
    they are not in the root. ``rules`` are those for requests in their order, ``problems`` what cannot be used.
    """

    def __init__(
        self,
        root: Root,
        clock: Clock,
        say: Callable[[str], None],
        provider: Provider = FASTFILE,
        outer: Root | None = None,
    ) -> None:
        self._root = root
        self._outer = outer
        self._clock = clock
        self._say = say
        self._plain_host = self.provider = provider
        self._hidden = hidden_names(tuple(name.encode() for name in provider.rule_files))
        self._looked_s = clock.wall_s
        self._folder: Stamp | None = None
        self.problems: list[Problem] = []
        self._contents: list[tuple[int, str, bytes | None]] = []  # and how many places each was looked for in
        self._load()

    def refresh(self) -> bool:
        """Read the files again where one of them has changed, come or gone; tell whether all answers are void."""
        if _are_fresh(self._present, self._clock) and self._settled:
            now_s = self._clock.wall_s
            if now_s == self._looked_s and self._folder is not None and self._folder.is_fresh(self._clock):
                return False
            folder = make_folder_stamp(self._root)
            if _are_fresh(self._absent, self._clock):
                self._looked_s = now_s
                self._folder = folder
                return False
        return self._load()

    def _load(self) -> bool:
        """Read the files; tell whether they say something else than before."""
        self._folder = make_folder_stamp(self._root)  # before what is in it, so that no change is missed
        found = [(name, self._read(name)) for name in self._plain_host.rule_files]
        # What was written just now is read again for each request, and it may have a hundred thousand lines.
        contents = [(len(files), files[-1].problem, files[-1].content) for _, files in found]
        changed = contents != self._contents
        if changed:
            self._apply(found)
            self._contents = contents
        files = [file for _, several in found for file in several]
        self._settled = all(file.settled for file in files)
        self._present = tuple([file.stamp for file in files if file.stamp.signature])
        self._absent = tuple([file.stamp for file in files if not file.stamp.signature])
        return changed

    def _apply(self, found: list[tuple[str, list[DeployFile]]]) -> None:
        rules: list[Rule] = []
        header_rules: list[HeaderRule] = []
        problems: list[Problem] = []
        self.provider = self._plain_host
        for name, files in found:
            parsed = self._parse(name, files[-1], "../" * (len(files) - 1))
            rules += parsed.rules
            header_rules += parsed.header_rules
            problems += parsed.problems
            self.provider = parsed.provider or self.provider
        self._book = Rulebook(rules)
        self._fields = FieldBook(header_rules, self.provider.dialect.joins_fields)
        if problems != self.problems:
            for problem in problems[:MAX_SAID]:
                self._say(printable(str(problem)))
            if len(problems) > MAX_SAID:
                self._say(f"{len(problems) - MAX_SAID} more lines cannot be used")
        self.rules = rules
        self.problems = problems
        self.has_rules = bool(rules)
        self.has_fields = bool(header_rules)

    def _read(self, name: str) -> list[DeployFile]:
        """Return a file, after those that were looked for in its place."""
        file = read_deploy_file(self._root, name.encode())
        if file.stamp.signature or self._outer is None:
            return [file]
        return [file, read_deploy_file(self._outer, name.encode())]

    def _parse(self, name: str, file: DeployFile, before: str) -> Parsed:
        place = Place(before + name, 0)
        if file.content is None:
            return Parsed(problems=[Problem(place, file.problem)] if file.problem else ())
        try:
            return READERS[name](file.content, str(place), self._plain_host.dialect)
        except (ImportError, PermissionError):  # the file has come since, and a worker in its sandbox imports nothing
            return Parsed(problems=[Problem(place, "the file is new, and is read when the server is reloaded")])

    def stamps(self) -> tuple[Stamp, ...] | None:
        """Return what shows a change of the rules; None where a change could go unnoticed, so that nothing is kept."""
        return self._present if self._settled else None

    def hides(self, path: bytes) -> bool:
        """Tell whether a Target's path is one of the files themselves."""
        return path.lower() in self._hidden  # some file systems don't tell case apart

    def match(self, page: PagePath, query: bytes | None = None, head: RequestHead | None = None) -> RuleMatch:
        """Return all that the rules say about a request: where it leads, header changes, Vary. One lookup.

        Without ``head`` it is about all requests for the path. Raises HTTPError where the rules cannot be applied.
        """
        if self.hides(page.path):
            return _HIDDEN
        path = _path_of(page)
        matched = self._book.match(path, query, head) if self.has_rules else NO_MATCH
        return matched._replace(changes=self._fields.changes(path)) if self.has_fields else matched

    def forces(self, path: bytes) -> bool:
        """Tell whether a rule goes before the file at a path, for some requests or for all."""
        return self.has_rules and self._book.forces(_path_of(PagePath(path, False)))

    def changes(self, address: PagePath) -> FieldChanges:
        """Return what the rules make of the fields of a response at an address."""
        return self._fields.changes(_path_of(address)) if self.has_fields else NO_CHANGES


_HIDDEN = RuleMatch(is_hidden=True)


def _are_fresh(stamps: Sequence[Stamp], clock: Clock) -> bool:
    return all(stamp.is_fresh(clock) for stamp in stamps)


def _path_of(address: PagePath) -> bytes:
    return b"/" + address.path + (b"/" if address.is_directory and address.path else b"")
