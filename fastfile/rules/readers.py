"""From the files of a site to its rules: the reader of each file, and the combination of all.

Runs in any thread: it makes values from values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastfile.records import NamedTuple
from fastfile.rules.headers import FieldBook, parse_headers
from fastfile.rules.providers import Provider
from fastfile.rules.redirects import parse_redirects
from fastfile.rules.rule import MOST_PROBLEMS, Dialect, HeaderRule, Place, Problem, Rule, confine
from fastfile.rules.rulebook import Rulebook
from fastfile.storage.deploy_files import DeployFile


class Parsed(NamedTuple):
    """The content of one file; ``provider`` is the modified provider, if the file modifies it."""

    rules: Sequence[Rule] = ()
    header_rules: Sequence[HeaderRule] = ()
    problems: Sequence[Problem] = ()
    provider: Provider | None = None


class RuleSet(NamedTuple):
    """The rules of a site, ready for requests. ``problems`` are the lines that cannot be used."""

    provider: Provider
    rules: Sequence[Rule]
    header_rules: Sequence[HeaderRule]
    problems: Sequence[Problem]
    book: Rulebook
    fields: FieldBook
    has_rules: bool
    has_fields: bool


def _read_redirects(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_redirects(content, file, dialect)
    return Parsed(rules, (), problems)


def _read_headers(content: bytes, file: str, dialect: Dialect) -> Parsed:
    rules, problems = parse_headers(content, file, dialect)
    return Parsed((), rules, problems)


def _read_vercel_config(content: bytes, file: str, _dialect: Dialect) -> Parsed:
    # Imported here and below, because a site without such a file does not need it.
    from fastfile.rules.vercel import read_vercel_config

    provider, rules, header_rules, problems = read_vercel_config(content, file)
    return Parsed(rules, header_rules, problems, provider)


def _read_serve_config(content: bytes, file: str, _dialect: Dialect) -> Parsed:
    from fastfile.rules.serve import read_serve_config

    provider, rules, header_rules, problems = read_serve_config(content, file)
    return Parsed(rules, header_rules, problems, provider)


def _read_netlify_config(content: bytes, file: str, _dialect: Dialect) -> Parsed:
    from fastfile.rules.netlify import read_netlify_config

    return Parsed(*read_netlify_config(content, file))


READERS: dict[str, Callable[[bytes, str, Dialect], Parsed]] = {
    "_redirects": _read_redirects,
    "_headers": _read_headers,
    "netlify.toml": _read_netlify_config,
    "vercel.json": _read_vercel_config,
    "serve.json": _read_serve_config,
}


class RuleFile(NamedTuple):
    """A file by its name, and the name under which its problems are shown."""

    name: str
    shown: str
    file: DeployFile


def make_rule_set(files: Sequence[RuleFile], provider: Provider) -> RuleSet:
    """Return the combined rules of files, in the order of the provider. Raises nothing."""
    rules: list[Rule] = []
    header_rules: list[HeaderRule] = []
    problems: list[Problem] = []
    result = provider
    for file in files:
        with confine(Place(file.shown, 0), problems):
            parsed = _parse(file, provider.dialect)
            rules += parsed.rules
            header_rules += parsed.header_rules
            problems += parsed.problems
            result = parsed.provider or result
    book = Rulebook(rules)
    fields = FieldBook(header_rules, result.dialect.joins_fields)
    places = [rule.place for rule in book.refused] + [rule.place for rule in fields.refused]
    for place in places[:MOST_PROBLEMS]:
        problems.append(Problem(place, "earlier patterns already take all the time that a request may spend on rules"))
    return RuleSet(result, rules, header_rules, problems, book, fields, bool(rules), bool(header_rules))


def _parse(file: RuleFile, dialect: Dialect) -> Parsed:
    place = Place(file.shown, 0)
    if file.file.content is None:
        return Parsed(problems=[Problem(place, file.file.problem)] if file.file.problem else ())
    try:
        return READERS[file.name](file.file.content, file.shown, dialect)
    except (ImportError, PermissionError):  # the file is new, and a worker in its sandbox cannot import its reader
        return Parsed(problems=[Problem(place, "the file is new; it takes effect when the server reloads")])
