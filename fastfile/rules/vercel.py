"""Read ``vercel.json`` as Vercel does: its redirects win over files, its rewrites apply after them.

Owns its keys. ``cleanUrls`` and ``trailingSlash`` become redirects, as at Vercel, before those of the file. A key for
features that Vercel has to run is a problem; the rest applies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastfile.rules.dialects import REDIRECTS
from fastfile.rules.json_config import Document, Entry, hint
from fastfile.rules.json_rules import (
    NOT_WELL_KNOWN,
    check_redirect_status,
    make_page_rules,
    make_redirect,
    make_rewrite,
    make_slash_rules,
    read_changes,
)
from fastfile.rules.patterns.expression import check_expression, compile_expression
from fastfile.rules.patterns.path_pattern import (
    Names,
    compile_pattern,
    make_destination,
)
from fastfile.rules.providers import VERCEL, Deployment
from fastfile.rules.rule import Condition, HeaderRule, Pattern, Rule

FILE = "vercel.json"
_MOST_CONDITIONS = 16  # conditions of a rule, as at Vercel
_OURS = ("redirects", "rewrites", "headers", "cleanUrls", "trailingSlash")
_NOT_HERE = {
    "routes": "the legacy form is not supported; write redirects, rewrites, headers, cleanUrls and trailingSlash",
    "builds": "the legacy form is not supported; fastfile serves finished builds",
    "bulkRedirectsPath": "redirects in a separate file are not supported",
    "middleware": "fastfile runs no code",
}


def read_vercel_config(content: bytes, file: str = FILE) -> Deployment:
    """Return the content of a vercel.json."""
    document = Document(file, content)
    for entry in document:
        if entry.name in _NOT_HERE:
            document.complain(entry, _NOT_HERE[entry.name])
        elif entry.name not in _OURS and (meant := hint(entry.name, _OURS)):
            # Other keys are about building and running, not about serving.
            document.complain(entry, "no such key" + meant)
    clean = document.get("cleanUrls", bool)
    slash = document.get("trailingSlash", bool)
    rules = (
        *(make_page_rules(document.place_of("cleanUrls"), VERCEL, slash) if clean else ()),
        *(make_slash_rules(document.place_of("trailingSlash"), VERCEL, slash) if slash is not None else ()),
        *document.read_each("redirects", _read_redirect),
        *document.read_each("rewrites", _read_rewrite),
    )
    header_rules = document.read_each("headers", _read_headers)
    provider = VERCEL._replace(pages="both" if clean else "files")
    return Deployment(provider, rules, tuple(header_rules), document.problems)


def _read_redirect(document: Document, entry: Entry) -> Rule | None:
    permanent = document.member(entry, "permanent", bool)
    status = document.member(entry, "statusCode", int)
    if permanent is not None and status is not None:
        document.complain(entry, "permanent and statusCode cannot both be given")
        return None
    if status is None:
        status = 307 if permanent is False else 308
    if not check_redirect_status(document, entry, "statusCode", status):
        return None
    rule = _read_rule(document, entry, status)
    return rule and make_redirect(rule)


def _read_rewrite(document: Document, entry: Entry) -> Rule | None:
    status = document.member(entry, "statusCode", int)
    if status is not None and status not in VERCEL.dialect.statuses - REDIRECTS:
        document.complain(entry, "statusCode: expected 200 or an error status")
        return None
    rule = _read_rule(document, entry, status or 200)
    return rule and make_rewrite(document, entry, rule)


def _read_rule(document: Document, entry: Entry, status: int) -> Rule | None:
    destination = document.required(entry, "destination")
    matched = _read_source(document, entry)
    if destination is None or matched is None:
        return None
    pattern, names, conditions = matched
    try:
        where = make_destination(destination, names)
    except ValueError as error:
        document.complain(entry, f"destination: {error}")
        return None
    return Rule(pattern, where, status, entry.place, conditions=conditions)


def _read_headers(document: Document, entry: Entry) -> HeaderRule | None:
    matched = _read_source(document, entry)
    if matched is None:
        return None
    pattern, names, conditions = matched
    if conditions:
        document.complain(entry, "has and missing are not supported for headers: every client gets the same headers")
        return None
    changes = read_changes(document, entry, pattern, names, VERCEL)
    return HeaderRule(pattern, changes, entry.place) if changes else None


def _read_source(document: Document, entry: Entry) -> tuple[Pattern, Names, tuple[Condition, ...]] | None:
    """Return an entry's pattern, the names that other members may refer to, and its conditions; None for a problem."""
    source = document.required(entry, "source")
    if source is None:
        return None
    try:
        document.budget.spend(len(source))
        pattern, names = compile_pattern(source)
        if pattern.expression and not pattern.segment:
            pattern = pattern._replace(expression=NOT_WELL_KNOWN + pattern.expression)
            compile_expression(pattern.expression)
        conditions = (*_read_conditions(entry, "has"), *_read_conditions(entry, "missing"))
        for condition in conditions:
            document.budget.spend(len(condition.expression))
            groups = check_expression(condition.expression.decode()).groups
            names = {**names, **{name: name for name in groups if name}}
    except ValueError as error:
        document.complain(entry, str(error))
        return None
    return pattern, names, conditions


def _read_conditions(entry: Entry, key: str) -> Iterator[Condition]:
    """Yield the conditions of an entry. Raises ValueError: a rule without its condition would be another rule."""
    conditions = entry.value.get(key)
    if not isinstance(conditions, list | None):
        raise ValueError(f"{key}: expected a list")  # noqa: TRY004 - it is the file that is wrong
    if len(conditions or ()) > _MOST_CONDITIONS:
        raise ValueError(f"{key}: no more than {_MOST_CONDITIONS} are read")
    for item in conditions or ():
        kind = item.get("type") if isinstance(item, dict) else None
        name = item.get("key", "") if isinstance(item, dict) else None
        if (
            kind not in ("header", "cookie", "query", "host")
            or not isinstance(name, str)
            or not (name or kind == "host")
        ):
            raise ValueError(f"{key}: expected objects with a type (header, cookie, query or host) and a key")
        expression = _read_value(key, item.get("value"))
        if not expression and key == "has" and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            expression = f"(?P<{name}>.*)"  # templates can refer to the value by the key
        names = () if kind == "host" else ((name.lower() if kind == "header" else name).encode(),)
        yield Condition(kind, names, expression.encode(), absent=key == "missing")


def _read_value(key: str, value: object) -> str:
    """Return the expression of a condition's value: a string that is one, or an object such as ``{"pre": "a"}``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    made = []
    for operation, operand in value.items() if isinstance(value, dict) else [("", value)]:
        several = [re.escape(str(item)) for item in (operand if isinstance(operand, list) else [operand])]
        either = "|".join(several)
        forms = {
            "eq": f"(?=(?:{either})\\Z)",
            "inc": f"(?=(?:{either})\\Z)",
            "neq": f"(?!(?:{either})\\Z)",
            "ninc": f"(?!(?:{either})\\Z)",
            "pre": f"(?={either})",
            "suf": f"(?=.*(?:{either})\\Z)",
            "re": f"(?=(?:{operand!s})\\Z)",
        }
        if operation not in forms:
            raise ValueError(f'{key}: "{operation}" is not understood')
        made.append(forms[operation])
    return "".join(made) + ".*"
