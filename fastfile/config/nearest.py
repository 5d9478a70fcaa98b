"""Suggestions for misspelled words."""

from __future__ import annotations

from collections.abc import Iterable

from fastfile.terminal import printable

_LEAST = 0.67  # the least ratio of difflib: "prot" and "port" have 0.75, "nosuch" and "no-coi" 0.5


def closest(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that suggests one of ``names``; empty if none is close."""
    # Imported here, because only mistakes need it.
    from difflib import get_close_matches

    # A prefix that all names share does not help to find the right one.
    by_stem = {_stem(other): other for other in names if other != name}
    near = get_close_matches(_stem(name), list(by_stem), n=1, cutoff=_LEAST)
    return f"; did you mean {printable(by_stem[near[0]])}?" if near else ""


def _stem(name: str) -> str:
    return name.removeprefix("FASTFILE_").lstrip("-")
