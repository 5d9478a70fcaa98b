"""Changes to the fields of a response, from options and rules: fields to set, and fields to remove.

Pure values. site/ decides which changes apply to a path, when an entry is made.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastfile.records import NamedTuple

Field = tuple[bytes, bytes]


class FieldChanges(NamedTuple):
    """``added`` fields replace defaults of the same name; ``removed`` fields, by lower-case name, are not sent."""

    added: tuple[Field, ...] = ()
    removed: frozenset[bytes] = frozenset()

    def apply(self, fields: Iterable[Field]) -> tuple[Field, ...]:
        """Return the changed fields. Vary is merged: a rule cannot remove what a response depends on."""
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
        """Return the value that a field (its name in lower case) is set to; None if it is not set."""
        return next((value for added, value in self.added if added.lower() == name), None)

    def sparing(self, names: tuple[bytes, ...]) -> FieldChanges:
        """Return the changes without those of the named fields (in lower case)."""
        added = tuple(field for field in self.added if field[0].lower() not in names)
        return FieldChanges(added, self.removed.difference(names))

    def then(self, later: FieldChanges) -> FieldChanges:
        """Return both changes as one. If both set a field, the later one wins; Vary is merged."""
        if self == NO_CHANGES or later == NO_CHANGES:
            return later if self == NO_CHANGES else self
        named = {name.lower() for name, _ in later.added} - {b"vary"}
        before = tuple(field for field in self.added if field[0].lower() not in named | later.removed)
        return FieldChanges(before + later.added, (self.removed - named) | later.removed)


NO_CHANGES = FieldChanges()
