"""The savings of a run, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.records import NamedTuple
from fastfile.site.pages import readable_size


class Row(NamedTuple):
    """A variant after a run: its coding, and the sizes of original and variant."""

    coding: bytes
    before: int
    after: int


def make_table(rows: Sequence[Row], codings: Sequence[bytes]) -> str:
    """Return a line for each coding with its savings; no line if there is no variant."""
    lines = [f"{'coding':<8}{'files':>7}{'before':>12}{'after':>12}{'saved':>8}\n"] if rows else []
    for coding in codings:
        own = [row for row in rows if row.coding == coding]
        if own:
            before, after = sum(row.before for row in own), sum(row.after for row in own)
            sizes = f"{readable_size(before):>12}{readable_size(after):>12}{1 - after / before:>8.0%}"
            lines.append(f"{coding.decode():<8}{len(own):>7}{sizes}\n")
    return "".join(lines)
