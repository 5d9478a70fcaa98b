"""The rules of a site as values: the readers of ``_redirects``, ``_headers`` and other rule files make them.

Owns only their shape; rulebook.py matches them. Paths are matched decoded, with one slash at the start and without dot
segments; templates are kept encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from fastfile.records import NamedTuple


class Place(NamedTuple):
    """The place of a rule."""

    file: str
    line: int  # from 1; 0 if the whole file is meant

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(NamedTuple):
    """A message to the author of a file, as one sentence; usually about a line that is ignored."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


MOST_PROBLEMS = 1000  # problems of one file; after them the rest is not read
MOST_RULES = 20_000  # rules of one file; Netlify's documentation warns of 10,000


def check_size(rules: int, problems: int, most: int = MOST_RULES) -> None:
    """Raise ValueError, a sentence, if the rest of a file is not read."""
    if problems >= MOST_PROBLEMS:
        raise ValueError(f"the rest of the file is ignored: {MOST_PROBLEMS} lines cannot be used")
    if rules >= most:
        raise ValueError(f"the rest of the file is ignored: at most {most} lines are read")


@contextmanager
def confine(place: Place, problems: list[Problem], prefix: str = "") -> Iterator[None]:
    """Turn whatever is raised while one rule is read into a problem of its line, so that the others go on."""
    try:
        yield
    except ValueError as problem:
        problems.append(Problem(place, prefix + str(problem)))
    except Exception as error:  # whatever the bytes of a rule file are, they never stop the server
        problems.append(Problem(place, f"{prefix}the rule cannot be read: {type(error).__name__}"))


class Capture(NamedTuple):
    """The place of a captured value in a template; ``name`` is that of a group, or its number."""

    name: str | int


# Literal bytes, which need no escapes in a URI, and captures, which are encoded before they are inserted.
Template = tuple[bytes | Capture, ...]


class Segments(NamedTuple):
    """A path of literal segments (bytes) and placeholders for one segment (their names).

    ``end``: nothing more may follow (``exact``), a slash may (``slash``), a slash and a splat may (``rest``) or must
    (``splat``).
    """

    parts: tuple[bytes | str, ...]
    end: Literal["exact", "slash", "rest", "splat"]


class Pattern(NamedTuple):
    """The paths of a rule: one of ``literals``, or those of ``segments``, or all that ``expression`` matches.

    ``expression`` is a regular expression over bytes (patterns/syntax.py) for the whole path; its groups, by name or
    number, are the captures. ``segment`` is the first segment, with its slash, of every path that it can match, and b""
    if they differ (always correct): it decides which requests have to try the expression at all.
    """

    text: str  # as it is written in the file
    literals: tuple[bytes, ...] = ()
    expression: bytes = b""
    segment: bytes = b""
    segments: Segments | None = None


class QueryMatch(NamedTuple):
    """A parameter that the query must have: with ``value`` (decoded), or any value, which ``capture`` captures."""

    name: bytes
    value: bytes | None
    capture: str = ""


class Condition(NamedTuple):
    """A condition on a request, in addition to its path.

    ``language``: the client's best language is among ``names`` (lower case, as in Accept-Language). ``cookie``: there
    is a cookie with one of these names. ``header``: there is one of these fields (lower case). ``host``: the Host is
    one of these names. ``query``: there is one of these parameters. If there is an ``expression``, it must match the
    whole value, and named groups are captures. ``absent`` negates the condition.
    """

    subject: Literal["language", "cookie", "header", "host", "query"]
    names: tuple[bytes, ...]
    expression: bytes = b""
    absent: bool = False


class Destination(NamedTuple):
    """The destination of a rule: ``origin`` is b"" for this site, else a literal ``https://host:port``."""

    text: str  # as it is written in the file
    path: Template
    query: Template | None = None
    fragment: bytes = b""
    origin: bytes = b""


class Rule(NamedTuple):
    """A line of ``_redirects``, or an equivalent entry.

    A ``status`` of 3xx with a destination redirects; any other status serves the destination in this site (200: a
    rewrite; 404, 410: an error page of the site), or fastfile's page if there is none. ``refusal`` is a sentence:
    fastfile cannot do what the rule needs, and 501 says why. ``forced`` wins over files. ``query`` says what happens to
    the request's query: it is ``dropped``, ``kept`` unless the destination has one, or ``merged``: appended to the
    destination's.
    """

    source: Pattern
    destination: Destination | None
    status: int
    place: Place
    queries: tuple[QueryMatch, ...] = ()
    conditions: tuple[Condition, ...] = ()
    forced: bool = False
    query: Literal["dropped", "kept", "merged"] = "kept"
    refusal: str = ""


class FieldChange(NamedTuple):
    """A header to send with responses for a path; ``value`` None removes it, even if another rule set it."""

    name: bytes
    value: Template | None


class HeaderRule(NamedTuple):
    """A block of ``_headers``, or an equivalent entry. All matching ones apply, in order.

    It depends only on the path: the headers of a file are decided once, when it enters the cache.
    """

    source: Pattern
    changes: tuple[FieldChange, ...]
    place: Place


class Dialect(NamedTuple):
    """The differences between providers that read ``_redirects`` and ``_headers``. A limit of 0 means none."""

    name: str
    default_status: int
    statuses: frozenset[int]
    any_slash: bool  # a rule for /a also matches /a/, and vice versa
    placeholders_anywhere: bool  # /a-:b captures; otherwise a placeholder must begin a segment
    splat_anywhere: bool  # a splat may be in the middle; otherwise only at the end
    forced: bool  # every rule wins over files, not only one with "!"
    conditions: bool  # query matches, conditions and "!" are supported
    joins_fields: bool  # a field in several blocks is joined with ", "; otherwise the last one wins
    removes_fields: bool  # "! Name" removes a field
    fills_values: bool  # placeholders and the splat work in the values of fields too
    max_static: int = 0
    max_dynamic: int = 0
    max_line: int = 0
    max_header_rules: int = 0
    max_header_line: int = 0
