"""Read ``serve.json`` as ``serve`` does: clean URLs are on by default.

Owns its keys. Sources are globs or, if they name or group something, patterns; both match with a slash at the end too.
It differs from ``serve`` in two ways: a rewrite never hides a file or a folder with an index, and only one rewrite
applies.
"""

from __future__ import annotations

import re

from fastfile.rules.json_config import Document, Entry, hint
from fastfile.rules.json_rules import (
    check_redirect_status,
    make_page_rules,
    make_redirect,
    make_rewrite,
    make_slash_rules,
    read_changes,
)
from fastfile.rules.patterns.expression import check_expression, compile_expression
from fastfile.rules.patterns.minimatch import translate_glob
from fastfile.rules.patterns.path_pattern import Names, compile_pattern, make_destination
from fastfile.rules.providers import SERVE, Deployment
from fastfile.rules.rule import HeaderRule, Pattern, Rule

FILE = "serve.json"
_KEYS = (
    *("cleanUrls", "trailingSlash", "redirects", "rewrites", "headers", "directoryListing"),
    *("public", "unlisted", "renderSingle", "symlinks", "etag", "$schema"),
)
_GLOB = r"[*?\[{!]|[@+]\("
_NAMING = r":\w|(?<![@!?+*])\("
# Keys that are not supported, each with the value that changes nothing.
_NOT_HERE = {
    "public": (".", "name the folder on the command line: fastfile DIR"),
    "unlisted": ([], "a listing shows every name that is served"),
    "renderSingle": (False, "folders are listed, whatever they contain"),
}


def read_serve_config(content: bytes, file: str = FILE) -> Deployment:
    """Return the content of a serve.json."""
    document = Document(file, content)
    for entry in document:
        harmless, sentence = _NOT_HERE.get(entry.name, (entry.value, ""))
        if entry.value != harmless:
            document.complain(entry, f"not supported; {sentence}")
        elif entry.name not in _KEYS:
            document.complain(entry, "no such key" + hint(entry.name, _KEYS))
        elif entry.name == "directoryListing" and isinstance(entry.value, list):
            document.complain(entry, "a list is not supported; no folder is listed")
    clean = document.either("cleanUrls", True)
    slash = document.get("trailingSlash", bool)
    rules = _make_page_rules(document, clean, slash)
    if slash is not None:
        rules += make_slash_rules(document.place_of("trailingSlash"), SERVE, slash)
    rules += document.read_each("redirects", _read_redirect)
    rules += document.read_each("rewrites", _read_rewrite)
    header_rules = document.read_each("headers", _read_headers)
    listing = document.either("directoryListing", True) is True
    provider = SERVE._replace(pages="both" if clean else "files", listing=listing)
    return Deployment(provider, tuple(rules), tuple(header_rules), document.problems)


def _make_page_rules(document: Document, clean: bool | list[str], slash: bool | None) -> list[Rule]:
    """Return the redirects to clean names: for all pages, or for those that one of the globs matches."""
    place = document.place_of("cleanUrls")
    rules = list(make_page_rules(place, SERVE, slash)) if clean else []
    if isinstance(clean, bool):
        return rules
    try:
        document.budget.spend(sum(map(len, clean)))
        either = "|".join(map(translate_glob, clean))
        start = rf"(?=(?:{either})\Z)".encode()
        sources = [rule.source._replace(expression=start + rule.source.expression) for rule in rules]
        for source in sources:
            compile_expression(source.expression)
    except ValueError as problem:
        document.complain(Entry("cleanUrls", clean, place), str(problem))
        return []
    return [rule._replace(source=source) for rule, source in zip(rules, sources, strict=True)]


def _read_redirect(document: Document, entry: Entry) -> Rule | None:
    status = document.member(entry, "type", int)
    if status is None:
        status = SERVE.moved
    if not check_redirect_status(document, entry, "type", status):
        return None
    rule = _read_rule(document, entry, status)
    return rule and make_redirect(rule)


def _read_rewrite(document: Document, entry: Entry) -> Rule | None:
    rule = _read_rule(document, entry, 200)
    return rule and make_rewrite(document, entry, rule)


def _read_rule(document: Document, entry: Entry, status: int) -> Rule | None:
    source = document.required(entry, "source")
    destination = document.required(entry, "destination")
    if source is None or destination is None:
        return None
    try:
        document.budget.spend(len(source))
        pattern, names = _read_source(source)
        is_url = re.match("https?://", destination, re.IGNORECASE)
        where = make_destination(destination if is_url else _from_root(destination), names)
    except ValueError as problem:
        document.complain(entry, str(problem))
        return None
    return Rule(pattern, where, status, entry.place)


def _read_headers(document: Document, entry: Entry) -> HeaderRule | None:
    source = document.required(entry, "source")
    if source is None:
        return None
    try:
        document.budget.spend(len(source))
        pattern = Pattern(source, expression=translate_glob(source).encode())
    except ValueError as problem:
        document.complain(entry, str(problem))
        return None
    changes = read_changes(document, entry, pattern, {}, SERVE)
    return HeaderRule(pattern, changes, entry.place) if changes else None


def _read_source(source: str) -> tuple[Pattern, Names]:
    """Return the pattern of a redirect's or rewrite's source. Raises ValueError."""
    path = _from_root(source).rstrip("/") or "/"
    if re.search(_NAMING, path):
        return compile_pattern(path.replace("*", "(.*)", 1), "/?")
    if not re.search(_GLOB, source):
        return Pattern(source, literals=(path.encode(), path.rstrip("/").encode() + b"/")), {}
    either = [translate_glob(source)]
    before, star, after = re.split(r"(/\*\*|\*|\Z)", path, maxsplit=1)
    if not re.search(_GLOB, before + after):
        # In serve, the first asterisk matches anything, even slashes.
        either.append(re.escape(before) + ("(?:/.*)?" if star == "/**" else ".*") + re.escape(after))
    expression = f"(?:{'|'.join(either)})/?"
    check_expression(expression)
    return Pattern(source, expression=expression.encode()), {}


def _from_root(path: str) -> str:
    return "/" + path.lstrip("/")
