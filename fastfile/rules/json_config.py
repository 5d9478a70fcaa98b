"""A JSON configuration whose entries know their line, so that problems are shown with their place.

Owns the walk over the text and the messages about wrong types. Knows no key: vercel.py and serve.py do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from json.decoder import JSONDecoder
from typing import Any, TypeVar

from fastfile.records import NamedTuple
from fastfile.rules.patterns.expression import Budget
from fastfile.rules.rule import Place, Problem, confine

MOST_ITEMS = 2048  # items of a list: as many as Vercel reads
_WHITE_SPACE = " \t\r\n"
_Value = TypeVar("_Value")
_Rule = TypeVar("_Rule")
# Names of types in messages.
_NAMES = {bool: "true or false", str: "a string", int: "a number", list: "a list", dict: "an object"}


class Entry(NamedTuple):
    """A value and its place; ``name`` is its path in the file, such as ``redirects[2]``."""

    name: str
    value: Any
    place: Place


class Document:
    """One file: its values, and the problems that its readers find."""

    def __init__(self, file: str, content: bytes) -> None:
        self.place = Place(file, 0)
        self._problems: list[Problem] = []
        self.budget = Budget()
        self._entries: dict[str, Entry] = {}
        self._items: dict[str, list[Entry]] = {}
        try:
            text = content.decode("utf-8-sig")
            value = json.loads(text)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be sent
            if isinstance(value, dict):
                self._walk(text)
            else:
                self._problems.append(Problem(self.place, "expected an object"))
        except json.JSONDecodeError as error:
            self._problems.append(Problem(Place(file, error.lineno), f"not JSON: {error.msg}"))
        except (ValueError, RecursionError) as error:
            self._problems.append(Problem(self.place, f"not JSON: {error}"))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems so far, from the top of the file down."""
        return tuple(sorted(self._problems, key=lambda problem: problem.place.line))

    def place_of(self, key: str) -> Place:
        """Return the place of a key; the whole file if it is absent."""
        return self._entries[key].place if key in self._entries else self.place

    def complain(self, entry: Entry, sentence: str) -> None:
        """Note that an entry cannot be used."""
        self._problems.append(Problem(entry.place, f"{entry.name}: {sentence}"))

    def get(self, key: str, type_: type[_Value]) -> _Value | None:
        """Return a value of the top level; None if it is absent, or null, or of another type."""
        entry = self._entries.get(key)
        return None if entry is None else self._check(entry, type_)

    def either(self, key: str, default: bool) -> bool | list[str]:
        """Return a boolean of the top level, or the list of strings in its place."""
        value = self._entries[key].value if key in self._entries else default
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        switch = self.get(key, bool)
        return default if switch is None else switch

    def items(self, key: str) -> Iterator[Entry]:
        """Yield the objects of a list, MOST_ITEMS of them."""
        if self.get(key, list) is not None:
            items = self._items[key]
            if len(items) > MOST_ITEMS:
                self.complain(items[MOST_ITEMS], f"no more than {MOST_ITEMS} are read")
            yield from (item for item in items[:MOST_ITEMS] if self._check(item, dict) is not None)

    def read_each(self, key: str, read: Callable[[Document, Entry], _Rule | None]) -> Iterator[_Rule]:
        """Yield the result of ``read`` for each object of a list. An object that cannot be read is a Problem."""
        for entry in self.items(key):
            rule = None
            with confine(entry.place, self._problems, f"{entry.name}: "):
                rule = read(self, entry)
            if rule is not None:
                yield rule

    def member(self, entry: Entry, key: str, type_: type[_Value]) -> _Value | None:
        """Return a member of an object; None if it is absent, or null, or of another type."""
        return self._check(Entry(f"{entry.name}.{key}", entry.value.get(key), entry.place), type_)

    def required(self, entry: Entry, key: str) -> str | None:
        """Return a string that an object must have; None, and a problem, if it is missing."""
        value = self.member(entry, key, str)
        if value is None and entry.value.get(key) is None:
            self.complain(entry, f"has no {key}")
        return value

    def _check(self, entry: Entry, type_: type[_Value]) -> _Value | None:
        value = entry.value
        # In Python True is an integer too.
        if isinstance(value, type_) and (type_ is bool or not isinstance(value, bool)):
            return value
        if value is not None:
            self.complain(entry, f"expected {_NAMES[type_]}")
        return None

    def _walk(self, text: str) -> None:
        """Find the places of the entries of a text, which is a valid object."""
        decode = JSONDecoder().raw_decode
        file = self.place.file

        line, counted = 1, 0

        def place(index: int) -> Place:
            nonlocal line, counted
            line += text.count("\n", counted, index)
            counted = index
            return Place(file, line)

        index = _skip(text, _skip(text, 0) + 1)
        while text[index] != "}":
            key, end = decode(text, index)
            start = _skip(text, _skip(text, end) + 1)  # past the colon
            value, end = decode(text, start)
            self._entries[key] = Entry(key, value, place(index))
            if isinstance(value, list):
                self._items[key] = []
                item_start = start + 1
                for number in range(min(len(value), MOST_ITEMS + 1)):
                    item_start = _skip(text, item_start)
                    item, item_end = decode(text, item_start)
                    self._items[key].append(Entry(f"{key}[{number}]", item, place(item_start)))
                    item_start = _skip(text, item_end) + 1  # past the comma
            index = _skip(text, end)
            if text[index] == ",":
                index = _skip(text, index + 1)


def _skip(text: str, index: int) -> int:
    while text[index] in _WHITE_SPACE:
        index += 1
    return index


def hint(name: str, keys: Iterable[str]) -> str:
    """Return a hint at the intended key: one that differs in case, dashes or a final s."""

    def bare(key: str) -> str:
        return key.replace("-", "").replace("_", "").lower().rstrip("s")

    return next((f"; did you mean {key}?" for key in keys if bare(key) == bare(name)), "")
