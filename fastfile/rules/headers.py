"""Read ``_headers``, and apply its rules to a path: headers are set, joined or removed.

A block is a path with lines ``Name: value`` or ``! Name`` below it. A line that cannot be used becomes a Problem. Owns
the list of headers that only the server sets, since they frame or describe the message.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.config import header_values
from fastfile.http.field_changes import NO_CHANGES, Field, FieldChanges
from fastfile.http.fields import is_token
from fastfile.rules.patterns.expression import Budget
from fastfile.rules.patterns.index import PatternIndex
from fastfile.rules.patterns.pattern import Splats, captures_of, parse_pattern, parse_template, show
from fastfile.rules.redirects import split_lines
from fastfile.rules.rule import Dialect, FieldChange, HeaderRule, Pattern, Place, Problem, check_size, confine
from fastfile.rules.rulebook import fill

# A rule may not set the headers that options may not set, except for the type and coding of a file, which its author
# knows. Netlify ignores most of them too. --no-server-header controls Server.
_KNOWN_BETTER = {"content-location", "content-type", "content-encoding"}
PROTECTED = frozenset(name.encode() for name in header_values.PROTECTED - _KNOWN_BETTER) | {b"server"}
# The codings of stored files: their bytes are sent unchanged, with the header (RFC 9110 §8.4.1).
CODINGS = (b"gzip", b"br", b"zstd", b"deflate")
MOST_LINES = 5000  # lines in one file: all of them may be for one path
_PATH_STARTS = (b"/", b"http://", b"https://")
# RFC 9110 §5.5: visible characters, white space, and obs-text, which has no meaning.
_CONTROL_BYTES = bytes(byte for byte in (*range(0x20), 0x7F) if byte != 0x09)


class FieldBook:
    """Header rules, compiled."""

    __slots__ = ("_index", "_joins", "refused")

    def __init__(self, rules: Sequence[HeaderRule], joins: bool) -> None:
        self._index = PatternIndex([(rule.source, rule) for rule in rules])
        self.refused = self._index.refused
        self._joins = joins  # across blocks; within one they always are

    def changes(self, path: bytes) -> FieldChanges:
        """Return the header changes for a decoded path, which begins with one slash."""
        fields: dict[bytes, list[Field]] = {}
        removed: set[bytes] = set()
        for rule, captures in self._index.find(path):
            block: dict[bytes, list[Field]] = {}
            for change in rule.changes:
                key = change.name.lower()
                if change.value is None:
                    removed.add(key)
                    fields.pop(key, None)
                elif value := fill(change.value, captures):
                    block.setdefault(key, []).append((change.name, value))
            for key, values in block.items():
                fields[key] = fields.get(key, []) + values if self._joins else values
        if not fields and not removed:
            return NO_CHANGES
        return FieldChanges(tuple([field for values in fields.values() for field in _join(values)]), frozenset(removed))


def _join(values: list[Field]) -> list[Field]:
    # RFC 9110 §5.3: a Set-Cookie line is no list.
    if len(values) == 1 or values[0][0].lower() == b"set-cookie":
        return values
    return [(values[0][0], b", ".join([value for _, value in values]))]


def parse_headers(content: bytes, file: str, dialect: Dialect) -> tuple[list[HeaderRule], list[Problem]]:
    """Return the rules of a ``_headers`` file in their order, and its problems."""
    blocks: list[_Block] = []
    problems: list[Problem] = []
    budget = Budget()
    lines = 0
    block: _Block | None = None
    is_lost = False  # the path of the block cannot be used, so its lines are skipped
    for number, line in enumerate(split_lines(content), 1):
        if not line or line.startswith(b"#"):
            continue
        place = Place(file, number)
        lines += 1
        try:
            check_size(lines, len(problems), MOST_LINES)
        except ValueError as problem:
            problems.append(Problem(place, str(problem)))
            break
        is_path = line.startswith(_PATH_STARTS)
        if block is not None and not is_path:
            block.has_lines = True
        with confine(place, problems):
            if dialect.max_header_line and len(line) > dialect.max_header_line:
                raise ValueError(
                    f"the line is longer than the {dialect.max_header_line} bytes that {dialect.name} reads"
                )
            if is_path:
                is_lost, block = True, None
                block = _Block(_parse_path(line, len(blocks), dialect, budget), place)
                is_lost = False
                blocks.append(block)
            elif not is_lost:
                change = parse_change(line, block.source if block is not None else None, dialect)
                if block is not None:
                    block.changes.append(change)
    problems += [Problem(block.place, "the block has no headers") for block in blocks if not block.has_lines]
    return [HeaderRule(block.source, tuple(block.changes), block.place) for block in blocks if block.changes], problems


class _Block:
    """A path and the changes below it, while they are read."""

    def __init__(self, source: Pattern, place: Place) -> None:
        self.source = source
        self.place = place
        self.changes: list[FieldChange] = []
        self.has_lines = False


def _parse_path(line: bytes, count: int, dialect: Dialect, budget: Budget) -> Pattern:
    if not line.startswith(b"/"):
        raise ValueError(f"{show(line)} is for one host, but rules here apply to all hosts")
    if dialect.max_header_rules and count >= dialect.max_header_rules:
        raise ValueError(f"no more than {dialect.max_header_rules} blocks are read ({dialect.name})")
    splats: Splats = "many" if dialect.any_slash else "one"
    return parse_pattern(line, splats, dialect.placeholders_anywhere, dialect.any_slash, budget)


def parse_change(line: bytes, source: Pattern | None, dialect: Dialect) -> FieldChange:
    """Parse a line below a path. Raises ValueError: a sentence."""
    if source is None:
        raise ValueError("there is no path above this line")
    if line.startswith(b"!") and dialect.removes_fields:
        name = _check_name(line[1:].strip())
        if name.lower() == b"content-type":
            raise ValueError("Content-Type cannot be removed: browsers would guess it")
        return FieldChange(name, None)
    name, colon, value = line.partition(b":")
    name, value = name.strip(), value.strip()
    if not colon or not value:
        raise ValueError("the line is not a header (Name: value)")
    if name.lower() == b"basic-auth":
        # Sending it as a header would publish the password.
        raise ValueError("Basic-Auth is a Netlify service; it protects nothing here")
    if value.translate(None, _CONTROL_BYTES) != value:
        raise ValueError(f"the value of {show(name)} has a control character")
    if name.lower() == b"content-encoding" and value.lower() not in CODINGS:
        raise ValueError(f"{show(value)} is not a coding of stored files; expected one of {show(b', '.join(CODINGS))}")
    names = captures_of(source) if dialect.fills_values else ()
    return FieldChange(_check_name(name), parse_template(value, names, None))


def _check_name(name: bytes) -> bytes:
    if not is_token(name):
        raise ValueError(f"{show(name)} is not a valid header name")
    if name.lower() in PROTECTED:
        raise ValueError(f"{show(name)} can only be set by the server")
    return name
