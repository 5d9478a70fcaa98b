"""Syntax that many fields share (RFC 9110 §5.6): tokens, lists, quoted strings and weights.

It splits values and knows no field's meaning. Every function is linear in its input.
"""

from __future__ import annotations

OWS = b" \t"  # RFC 9110 §5.6.3; always pass it to strip(), which would remove control bytes too

_TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def is_token(value: bytes) -> bool:
    """Tell whether the value is a token (RFC 9110 §5.6.2)."""
    return value != b"" and not value.translate(None, _TOKEN_BYTES)


def split_list(value: bytes, separator: bytes = b",") -> list[bytes]:
    """Return the elements between separators that are not inside quoted strings, trimmed, without empty ones.

    RFC 9110 §5.6.1.2 asks to accept empty elements. An unterminated quoted string includes the rest of the value.
    """
    elements = value.split(separator) if b'"' not in value else _split_outside_quotes(value, separator)
    return [trimmed for element in elements if (trimmed := element.strip(OWS))]


def _split_outside_quotes(value: bytes, separator: bytes) -> list[bytes]:
    elements = []
    start = position = 0
    quoted = False
    while position < len(value):
        byte = value[position : position + 1]
        if quoted and byte == b"\\":
            position += 1  # quoted-pair: the next byte is literal, even a quote (RFC 9110 §5.6.4)
        elif byte == b'"':
            quoted = not quoted
        elif byte == separator and not quoted:
            elements.append(value[start:position])
            start = position + 1
        position += 1
    elements.append(value[start:])
    return elements


def maybe_weight(value: bytes) -> int | None:
    """Return a qvalue in thousandths, 0 to 1000; None if it is malformed (RFC 9110 §12.4.2)."""
    whole, _, fraction = value.partition(b".")
    if whole not in (b"0", b"1") or len(fraction) > 3 or (fraction and not fraction.isdigit()):
        return None
    weight = int(whole + fraction.ljust(3, b"0"))
    return weight if weight <= 1000 else None


def maybe_weighted(element: bytes) -> tuple[bytes, list[bytes], int] | None:
    """Split ``value;name=text;q=0.5`` into value, parameters and weight (1000 without a ``q``); None if malformed.

    Parameters (RFC 9110 §5.6.6) do not include the weight; everything after it is dropped, as accept-ext was.
    """
    if b";" not in element:
        return element.strip(OWS), [], 1000
    value, _, tail = element.partition(b";")
    parameters = split_list(tail, b";")
    for index, parameter in enumerate(parameters):
        name, equals, text = parameter.partition(b"=")
        if not equals or not is_token(name):
            return None
        if name in (b"q", b"Q"):
            weight = maybe_weight(text)
            return None if weight is None else (value.strip(OWS), parameters[:index], weight)
        if not is_token(text) and not _is_quoted_string(text):
            return None
    return value.strip(OWS), parameters, 1000


def _is_quoted_string(text: bytes) -> bool:
    """Tell whether the text is one quoted-string; its content is not looked at, as the parser refused control bytes."""
    if len(text) < 2 or not text.startswith(b'"'):
        return False
    position = 1
    while position < len(text) - 1 and text[position] != 0x22:
        position += 2 if text[position] == 0x5C else 1
    return position == len(text) - 1 and text.endswith(b'"')
