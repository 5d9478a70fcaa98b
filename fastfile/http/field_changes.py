"""What options and rules make of the fields of a response: some are set in the place of ours, some are left out.

Pure values: which fields hold at which path is decided in composition, when an answer enters the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Field = tuple[bytes, bytes]


class FieldChanges(NamedTuple):
    """``added`` come in the place of ours of those names; ``removed``, names in lower case, are not sent at all."""

    added: tuple[Field, ...] = ()
    removed: frozenset[bytes] = frozenset()

    def apply(self, fields: Iterable[Field]) -> tuple[Field, ...]:
        """Return the fields as changed. Vary is joined: what our answer depends on stays true whatever a rule adds."""
        if self == NO_CHANGES:
            return tuple(fields)
        gone = ({name.lower() for name, _ in self.added} | self.removed) - {b"vary"}
        ours = [field for field in fields if field[0].lower() not in gone]
        vary: dict[bytes, bytes] = {}
        kept = []
        for name, value in (*ours, *self.added):
            if name.lower() == b"vary":
                vary |= {member.strip().lower(): member.strip() for member in value.split(b",")}
            else:
                kept.append((name, value))
        if vary:
            kept.append((b"Vary", b"*" if b"*" in vary else b", ".join(vary.values())))
        return tuple(kept)

    def value(self, name: bytes) -> bytes | None:
        """Return what a field (its name in lower case) is set to, None where it is not."""
        return next((value for added, value in self.added if added.lower() == name), None)

    def sparing(self, names: tuple[bytes, ...]) -> FieldChanges:
        """Return the changes but for those of the names (in lower case), which stay as they are."""
        added = tuple(field for field in self.added if field[0].lower() not in names)
        return FieldChanges(added, self.removed.difference(names))

    def then(self, later: FieldChanges) -> FieldChanges:
        """Return both as one; of two that set a field the later one holds. Vary is what both say."""
        if self == NO_CHANGES or later == NO_CHANGES:
            return later if self == NO_CHANGES else self
        named = {name.lower() for name, _ in later.added} - {b"vary"}
        before = tuple(field for field in self.added if field[0].lower() not in named | later.removed)
        return FieldChanges(before + later.added, (self.removed - named) | later.removed)


NO_CHANGES = FieldChanges()
