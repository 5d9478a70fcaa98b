"""Which bytes a part of a regular expression takes, where it takes exactly one: as bits of an integer."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any

ALL = (1 << 256) - 1
_CLASSES = {
    sre.CATEGORY_DIGIT: rb"\d",
    sre.CATEGORY_NOT_DIGIT: rb"\D",
    sre.CATEGORY_SPACE: rb"\s",
    sre.CATEGORY_NOT_SPACE: rb"\S",
    sre.CATEGORY_WORD: rb"\w",
    sre.CATEGORY_NOT_WORD: rb"\W",
}


def maybe_set(opcode: Any, argument: Any, folds: bool) -> int | None:
    """Return the bytes that a part takes one of, whose case may not count; None where it takes another number."""
    if opcode is sre.ANY:  # with DOTALL
        return ALL
    if opcode is sre.LITERAL or opcode is sre.NOT_LITERAL:
        bytes_ = 1 << int(argument)
    elif opcode is sre.IN:
        bytes_ = 0
        for kind, value in argument:
            bytes_ |= _class_of(kind, value)
    else:
        return None
    bytes_ = _ignore_case(bytes_) if folds else bytes_
    return ALL & ~bytes_ if _excludes(opcode, argument) else bytes_


def maybe_superset(opcode: Any, argument: Any) -> int | None:
    """Return what maybe_set() does, or more, whether case counts or not."""
    return maybe_set(opcode, argument, folds=not _excludes(opcode, argument))


def _excludes(opcode: Any, argument: Any) -> bool:
    return opcode is sre.NOT_LITERAL or (opcode is sre.IN and argument[0][0] is sre.NEGATE)


def _ignore_case(bytes_: int) -> int:
    for lower in range(ord("a"), ord("z") + 1):
        pair = 1 << lower | 1 << (lower - 32)
        bytes_ |= pair if bytes_ & pair else 0
    return bytes_


@lru_cache(maxsize=256)  # many programs have the same few
def make_table(bytes_: int) -> bytes:
    """Return one byte for each byte: 1 where it is among them."""
    return bytes([bytes_ >> byte & 1 for byte in range(256)])


def _class_of(kind: Any, value: Any) -> int:
    if kind is sre.LITERAL:
        return 1 << int(value)
    if kind is sre.RANGE:
        first, last = value
        return (1 << (int(last) + 1)) - (1 << int(first))
    if kind is sre.CATEGORY:
        return _category(_CLASSES[value])
    return 0


@lru_cache(maxsize=len(_CLASSES))
def _category(source: bytes) -> int:
    takes = re.compile(source).fullmatch
    return sum(1 << byte for byte in range(256) if takes(bytes([byte])))
