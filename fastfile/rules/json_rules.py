"""Common parts of vercel.json and serve.json: redirects, rewrites, headers, and settings that imply redirects."""

from __future__ import annotations

from collections.abc import Iterator

from fastfile.rules.dialects import REDIRECTS
from fastfile.rules.headers import parse_change
from fastfile.rules.json_config import MOST_ITEMS, Document, Entry
from fastfile.rules.patterns.path_pattern import Names, make_value
from fastfile.rules.providers import Provider
from fastfile.rules.rule import Capture, Destination, FieldChange, Pattern, Place, Rule, Template

# Rules for pages do not apply to these (RFC 8615).
NOT_WELL_KNOWN = rb"(?!/\.well-known(?:/|\Z))"


def read_changes(
    document: Document, entry: Entry, pattern: Pattern, names: Names, provider: Provider
) -> tuple[FieldChange, ...]:
    """Return the changes of an entry's ``headers``: objects with a key and a value, which is null to remove one."""
    changes = []
    for number, item in enumerate((document.member(entry, "headers", list) or [])[:MOST_ITEMS]):
        inner = Entry(f"{entry.name}.headers[{number}]", item, entry.place)
        key, value = (item.get("key"), item.get("value", "")) if isinstance(item, dict) else (None, None)
        line = f"{key}: {value}" if value is not None else f"! {key}"
        try:
            if not isinstance(key, str) or not isinstance(value, str | None):
                raise ValueError("expected an object with a key and a value")  # noqa: TRY004, TRY301
            change = parse_change(line.encode(), pattern, provider.dialect)
        except ValueError as problem:
            document.complain(inner, str(problem))
        else:
            changes.append(change if value is None else change._replace(value=make_value(value.strip(), names)))
    return tuple(changes)


def check_redirect_status(document: Document, entry: Entry, key: str, status: int) -> bool:
    """Tell whether a status is one of a redirect; another one is a problem of the entry's ``key``."""
    if status not in REDIRECTS:
        document.complain(entry, f"{key}: expected one of {', '.join(map(str, sorted(REDIRECTS)))}")
    return status in REDIRECTS


def make_redirect(rule: Rule) -> Rule:
    """Return a rule that wins over files, and adds the query of the request."""
    return rule._replace(forced=True, query="merged")


def make_rewrite(document: Document, entry: Entry, rule: Rule) -> Rule:
    """Return a rule that applies after the files; a destination on another server is a problem, and returns 501."""
    if rule.destination is not None and rule.destination.origin:
        document.complain(
            entry, f"leads to another server; only --proxy forwards requests: {rule.source.text} returns 501"
        )
        refusal = f"{rule.destination.text} is on another server, and only --proxy forwards requests"
        return rule._replace(destination=None, status=501, refusal=refusal)
    return rule


def make_page_rules(place: Place, provider: Provider, slash: bool | None) -> Iterator[Rule]:
    """Yield the redirects to clean names, in one hop to the configured slash. They apply with or without a file."""
    end = b"/" if slash else b""
    yield _move(place, provider, "cleanUrls", rb"/index(?:\.html)?/?", (b"/",))
    yield _move(place, provider, "cleanUrls", rb"/(.+)/index(?:\.html)?/?", (b"/", Capture(1), end))
    yield _move(place, provider, "cleanUrls", rb"/(.*)\.html/?", (b"/", Capture(1), end))


def make_slash_rules(place: Place, provider: Provider, slash: bool) -> Iterator[Rule]:
    """Yield the redirects that add the slash at the end, or remove it."""
    if slash:
        # A name with a dot is a file: no slash follows it.
        folder, file = NOT_WELL_KNOWN + rb"/((?:[^/]+/)*[^/.]+)", NOT_WELL_KNOWN + rb"/((?:[^/]+/)*[^/]+\.\w+)/"
        yield _move(place, provider, "trailingSlash", folder, (b"/", Capture(1), b"/"))
        yield _move(place, provider, "trailingSlash", file, (b"/", Capture(1)))
    else:
        yield _move(place, provider, "trailingSlash", rb"/(.+)/", (b"/", Capture(1)))


def _move(place: Place, provider: Provider, key: str, expression: bytes, path: Template) -> Rule:
    destination = Destination(key, tuple(part for part in path if part))
    return Rule(Pattern(key, expression=expression), destination, provider.moved, place, forced=True)
