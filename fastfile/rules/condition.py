"""The conditions of a rule: query parameters, a language, a cookie, a header, a host.

Captured values go into ``captures`` encoded, so that a template can only use them as data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from fastfile.errors import HTTPError
from fastfile.http.fields import maybe_weighted, split_list
from fastfile.http.negotiation import VALUE_LIMIT
from fastfile.http.target import encode_value
from fastfile.message import RequestHead
from fastfile.rules.patterns.expression import compile_expression
from fastfile.rules.patterns.index import MAX_STEPS, Captures
from fastfile.rules.patterns.pattern import decode_leniently
from fastfile.rules.rule import Condition, QueryMatch

_FIELDS: dict[str, tuple[bytes, ...]] = {"language": (b"Accept-Language", b"Cookie"), "cookie": (b"Cookie",)}
# Netlify: this cookie overrides the browser's language.
_LANGUAGE_COOKIE = b"nf_lang"
# Steps of 4.5 ns, as in index.py: to check a condition, and a parameter or a cookie.
_STEPS_OF_CONDITION = 800
_STEPS_OF_PAIR = 10


class Asked:
    """The parts of one request that conditions read, each parsed once. Bounds the steps of all conditions together."""

    def __init__(self, query: bytes | None, head: RequestHead) -> None:
        self.head = head
        self._query = query
        self._steps = 0

    @cached_property
    def parameters(self) -> list[tuple[bytes, bytes]]:
        """The parameters of the query, decoded as forms encode them; malformed escapes stand for themselves."""
        pairs = [pair.partition(b"=") for pair in (self._query or b"").replace(b"+", b" ").split(b"&") if pair]
        return [(decode_leniently(name), decode_leniently(value)) for name, _, value in pairs]

    @cached_property
    def cookies(self) -> list[tuple[bytes, bytes]]:
        """The cookies (RFC 6265 §4.2.1)."""
        # Lines of one name are joined by commas, which are no part of a cookie's grammar.
        pairs = [part.strip(b" \t").partition(b"=") for part in re.split(b"[;,]", self.head.field(b"cookie") or b"")]
        return [(name, value) for name, equals, value in pairs if equals]

    @cached_property
    def cookie_names(self) -> frozenset[bytes]:
        """The names of the cookies."""
        return frozenset([name for name, _ in self.cookies])

    @cached_property
    def language(self) -> bytes:
        """The language range that the client likes best, in lower case, or b"" (RFC 9110 §12.5.4)."""
        for name, value in self.cookies:
            if name == _LANGUAGE_COOKIE:
                return value.lower()
        best, best_weight = b"", 0
        for element in split_list((self.head.field(b"accept-language") or b"")[:VALUE_LIMIT]):
            weighted = maybe_weighted(element)
            if weighted is not None and weighted[2] > best_weight:
                best, best_weight = weighted[0].lower(), weighted[2]
        return best

    @cached_property
    def host(self) -> bytes:
        """The host in lower case, without its port."""
        host = (self.head.authority or b"").lower()
        return host.rpartition(b":")[0] if re.search(rb":\d*\Z", host) and not host.endswith(b"]") else host

    def spend(self, steps: int) -> None:
        """Count steps. Raises HTTPError 431 if the request took too many."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise HTTPError(431, "The headers or the query are too long for the rules of this site.")


def match_queries(matches: Iterable[QueryMatch], asked: Asked, captures: Captures) -> bool:
    """Tell whether the query has all the parameters, and capture their values. Other parameters are allowed."""
    for match in matches:
        asked.spend(_STEPS_OF_CONDITION + _STEPS_OF_PAIR * len(asked.parameters))
        values = [value for name, value in asked.parameters if name == match.name]
        if match.value is not None:
            if match.value not in values:
                return False
        elif not values:
            return False
        else:
            captures[match.capture] = encode_value(values[0])
    return True


def check_conditions(conditions: Iterable[Condition], asked: Asked, captures: Captures) -> bool:
    """Tell whether all conditions hold, and capture the named groups of their expressions."""
    for condition in conditions:
        asked.spend(_STEPS_OF_CONDITION)
        if condition.subject == "cookie" and not condition.expression:  # a thousand rules may have one each
            if asked.cookie_names.isdisjoint(condition.names) != condition.absent:
                return False
        elif not check_condition(condition, asked, captures):
            return False
    return True


def check_condition(condition: Condition, asked: Asked, captures: Captures) -> bool:
    """Tell whether a condition holds, and capture the named groups of its expression."""
    holds = any(_matches(condition, value, asked, captures) for value in _values(condition, asked))
    return holds != condition.absent


def varies_by(condition: Condition) -> tuple[bytes, ...]:
    """Return the request headers that a condition reads (RFC 9110 §12.5.5); host and query are parts of the URI."""
    return _FIELDS.get(condition.subject, condition.names if condition.subject == "header" else ())


def _matches(condition: Condition, value: bytes, asked: Asked, captures: Captures) -> bool:
    if not condition.expression:
        return True
    expression = compile_expression(condition.expression)
    asked.spend(expression.cost(len(value)))
    groups = expression.match(value)
    if groups is None:
        return False
    captures.update({name: encode_value(text) for name, text in groups.items() if isinstance(name, str)})
    return True


def _values(condition: Condition, asked: Asked) -> list[bytes]:
    """Return the request's values for the names of a condition."""
    names = condition.names
    match condition.subject:
        case "language":
            language = asked.language
            return [language] if any(language == name or language.startswith(name + b"-") for name in names) else []
        case "header":
            asked.spend(len(asked.head.field_lines))
            return [value for name in names if (value := asked.head.field(name)) is not None]
        case "host":
            return [asked.host] if not names or asked.host in names else []
    pairs = asked.cookies if condition.subject == "cookie" else asked.parameters
    asked.spend(_STEPS_OF_PAIR * len(pairs))
    return [value for name, value in pairs if name in names]
