"""The rules of one root: what a Site asks about redirects, rewrites and fields. Read again when a file changes.

A file that is there is watched by its stamp, which goes into every answer that was made under it. One that is not there
costs no request anything: whoever looks on the disk anyway looks for it as well, once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastfile.clock import Clock
from fastfile.files.deployfiles import DeployFile, hidden_names, read_deploy_file
from fastfile.files.freshness import Stamp
from fastfile.files.root import Root
from fastfile.kinds import printable
from fastfile.semantics.cleanurls import Address
from fastfile.semantics.dialects import EITHER
from fastfile.semantics.fieldchanges import NO_CHANGES, FieldChanges
from fastfile.semantics.headerrules import FieldBook, parse_headers
from fastfile.semantics.redirects import parse_redirects
from fastfile.semantics.rule import Dialect, HeaderRule, Place, Problem, Rule
from fastfile.semantics.rulebook import Outcome, Rulebook
from fastfile.semantics.target import Target
from fastfile.types import RequestHead


class Parsed(NamedTuple):
    """What one file says."""

    rules: Sequence[Rule] = ()
    header_rules: Sequence[HeaderRule] = ()
    problems: Sequence[Problem] = ()


class Format(NamedTuple):
    """A kind of file: its name in the root, and how it is read. A format may be read into rules of both sorts."""

    name: bytes
    parse: Callable[[bytes, str, Dialect], Parsed]


def _read_redirects(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_redirects(content, file, dialect)
    return Parsed(rules, (), problems)


def _read_headers(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_headers(content, file, dialect)
    return Parsed((), rules, problems)


MAX_SAID = 20  # problems: who has more will mend one and see the others
FORMATS = (Format(b"_redirects", _read_redirects), Format(b"_headers", _read_headers))


class SiteRules:
    """``say`` is told once of each load what is wrong with the files."""

    def __init__(
        self,
        root: Root,
        clock: Clock,
        say: Callable[[str], None],
        formats: Sequence[Format] = FORMATS,
        dialect: Dialect = EITHER,
    ) -> None:
        self._root = root
        self._clock = clock
        self._say = say
        self._formats = formats
        self._dialect = dialect
        self._hidden = hidden_names(tuple(format_.name for format_ in formats))
        self._looked_s = clock.wall_s
        self._said: list[str] = []
        self._load()

    def refresh(self) -> bool:
        """Read the files again where one of them has changed, come or gone; tell whether all answers are void."""
        if _are_fresh(self._present, self._clock) and self._settled:
            now_s = self._clock.wall_s
            if now_s == self._looked_s or _are_fresh(self._absent, self._clock):
                self._looked_s = now_s
                return False
        self._load()
        return True

    def _load(self) -> None:
        rules: list[Rule] = []
        header_rules: list[HeaderRule] = []
        problems: list[str] = []
        files = [read_deploy_file(self._root, format_.name) for format_ in self._formats]
        for format_, file in zip(self._formats, files, strict=True):
            parsed = self._parse(format_, file)
            rules += parsed.rules
            header_rules += parsed.header_rules
            problems += [printable(str(problem)) for problem in parsed.problems]
        self._book = Rulebook(rules)
        self._fields = FieldBook(header_rules, self._dialect.joins_fields)
        if problems != self._said:  # a file that was written just now may be read several times
            for problem in problems[:MAX_SAID]:
                self._say(problem)
            if len(problems) > MAX_SAID:
                self._say(f"{len(problems) - MAX_SAID} more lines cannot be used")
        self._said = problems
        self._settled = all(file.settled for file in files)
        self._present = tuple([file.stamp for file in files if file.stamp.signature])
        self._absent = tuple([file.stamp for file in files if not file.stamp.signature])
        self.has_rules = bool(rules)
        self.has_fields = bool(header_rules)

    def _parse(self, format_: Format, file: DeployFile) -> Parsed:
        name = format_.name.decode()
        if file.content is None:
            return Parsed(problems=[Problem(Place(name, 0), file.problem)] if file.problem else ())
        return format_.parse(file.content, name, self._dialect)

    def stamps(self) -> tuple[Stamp, ...] | None:
        """Return what shows a change of the rules; None where a change could go unnoticed, so that nothing is kept."""
        return self._present if self._settled else None

    def hides(self, path: bytes) -> bool:
        """Tell whether a Target's path is one of the files themselves."""
        return path.lower() in self._hidden  # some file systems don't tell case apart

    def find(self, target: Target, head: RequestHead) -> Outcome | None:
        """Return what the rules make of a request, whether it goes before the files or after them."""
        if not self.has_rules:
            return None
        return self._book.find(_path_of(Address(target.path, target.is_directory)), target.query, head)

    def covers(self, address: Address, forced: bool) -> bool:
        """Tell whether some request for an address may come to a rule; ``forced``: to one before the files."""
        return self.has_rules and self._book.covers(_path_of(address), forced)

    def vary(self, address: Address) -> tuple[bytes, ...]:
        """Return the fields of a request on which it depends which rule it comes to (RFC 9110 §12.5.5)."""
        return self._book.vary(_path_of(address)) if self.has_rules else ()

    def changes(self, address: Address) -> FieldChanges:
        """Return what the rules make of the fields of a response at an address."""
        return self._fields.changes(_path_of(address)) if self.has_fields else NO_CHANGES


def _are_fresh(stamps: Sequence[Stamp], clock: Clock) -> bool:
    return all(stamp.is_fresh(clock) for stamp in stamps)


def _path_of(address: Address) -> bytes:
    return b"/" + address.path + (b"/" if address.is_directory and address.path else b"")
