"""Suggest what a misspelled word may have meant."""

from __future__ import annotations

from collections.abc import Iterable

from fastfile.terminal import printable


def closest(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that says which of ``names`` may have been meant; empty where none is near."""
    # Imported here: only a mistake pays for it.
    from difflib import get_close_matches

    near = get_close_matches(name, list(names), n=1)
    return f"; did you mean {printable(near[0])}?" if near else ""
