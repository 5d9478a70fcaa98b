"""What a rule asks of a request beside its path: parameters of the query, a language, a cookie, a field, a host.

Values that are caught go into ``captures`` encoded, so that they are data wherever a template puts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastfile.http.fields import maybe_weighted, split_list
from fastfile.http.negotiation import VALUE_LIMIT
from fastfile.http.target import encode_value
from fastfile.message import RequestHead
from fastfile.rules.patterns.expression import compile_expression
from fastfile.rules.patterns.index import Captures
from fastfile.rules.patterns.pattern import decode_leniently
from fastfile.rules.rule import Condition, QueryMatch

_FIELDS: dict[str, tuple[bytes, ...]] = {"language": (b"Accept-Language", b"Cookie"), "cookie": (b"Cookie",)}
# Netlify: this cookie overrides the language that a browser asks for.
_LANGUAGE_COOKIE = b"nf_lang"


def parse_query(query: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the parameters of a query, decoded as forms encode them; malformed escapes stand for themselves."""
    pairs = [pair.partition(b"=") for pair in (query or b"").replace(b"+", b" ").split(b"&") if pair]
    return [(decode_leniently(name), decode_leniently(value)) for name, _, value in pairs]


def match_queries(matches: Iterable[QueryMatch], query: bytes | None, captures: Captures) -> bool:
    """Tell whether the query has all the parameters, and catch their values. Others may be there as well."""
    parameters = parse_query(query)
    for match in matches:
        values = [value for name, value in parameters if name == match.name]
        if match.value is not None:
            if match.value not in values:
                return False
        elif not values:
            return False
        else:
            captures[match.capture] = encode_value(values[0])
    return True


def check_condition(condition: Condition, query: bytes | None, head: RequestHead, captures: Captures) -> bool:
    """Tell whether the request is as the condition asks, and catch what its expression names."""
    holds = any(_matches(condition, value, captures) for value in _values(condition, query, head))
    return holds != condition.absent


def varies_by(condition: Condition) -> tuple[bytes, ...]:
    """Return the fields of a request that a condition looks at (RFC 9110 §12.5.5); host and query are in its URI."""
    return _FIELDS.get(condition.subject, condition.names if condition.subject == "header" else ())


def _matches(condition: Condition, value: bytes, captures: Captures) -> bool:
    if not condition.expression:
        return True
    groups = compile_expression(condition.expression).match(value)
    if groups is None:
        return False
    captures.update({name: encode_value(text) for name, text in groups.items() if isinstance(name, str)})
    return True


def _values(condition: Condition, query: bytes | None, head: RequestHead) -> list[bytes]:
    """Return the values that the request has for the names of a condition."""
    names = condition.names
    match condition.subject:
        case "language":
            language = _best_language(head)
            return [language] if any(language == name or language.startswith(name + b"-") for name in names) else []
        case "cookie":
            return [value for name, value in _cookies(head) if name in names]
        case "header":
            return [value for name in names if (value := head.field(name)) is not None]
        case "host":
            host = _host(head)
            return [host] if not names or host in names else []
    return [value for name, value in parse_query(query) if name in names]


def _best_language(head: RequestHead) -> bytes:
    """Return the language range that the client likes best, in lower case, or b"" (RFC 9110 §12.5.4)."""
    for name, value in _cookies(head):
        if name == _LANGUAGE_COOKIE:
            return value.lower()
    best, best_weight = b"", 0
    for element in split_list((head.field(b"accept-language") or b"")[:VALUE_LIMIT]):
        weighted = maybe_weighted(element)
        if weighted is not None and weighted[2] > best_weight:
            best, best_weight = weighted[0].lower(), weighted[2]
    return best


def _cookies(head: RequestHead) -> list[tuple[bytes, bytes]]:
    """Return the cookies of a request (RFC 6265 §4.2.1)."""
    # Lines of one name are joined by commas, which are no part of a cookie's grammar.
    pairs = [part.strip(b" \t").partition(b"=") for part in re.split(b"[;,]", head.field(b"cookie") or b"")]
    return [(name, value) for name, equals, value in pairs if equals]


def _host(head: RequestHead) -> bytes:
    """Return the host of a request in lower case, without its port."""
    host = (head.authority or b"").lower()
    return host.rpartition(b":")[0] if re.search(rb":\d*\Z", host) and not host.endswith(b"]") else host
