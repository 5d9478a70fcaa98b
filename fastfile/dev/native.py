"""The events of macOS, by the package watchfiles (extra fastfile[dev])."""

from __future__ import annotations

import os
from collections.abc import Sequence

from watchfiles._rust_notify import RustNotify

from fastfile.dev.changes import Change, is_ignored

_STEP_MS = 10
_TIMEOUT_MS = 500  # how often it checks whether to stop, and whether a root is another folder now


class Native:
    """Watches ``roots``; it is made again when one of them is another folder, which watchfiles does not notice."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        self._roots = tuple(roots)
        self._begin()

    def read(self) -> list[Change]:
        """Wait for changes, half a second at most, and return them."""
        found = self._events.watch(_STEP_MS, _STEP_MS, _TIMEOUT_MS, None)
        if self._identify() != self._identities:
            self._begin()
            return [Change(root) for root in self._roots]
        if not isinstance(found, set):  # "timeout", "stop" or "signal"
            return []
        paths = {os.fsencode(path) for _, path in found}
        return [Change(path) for path in sorted(paths) if not any(map(is_ignored, path.split(b"/")))]

    def _begin(self) -> None:
        self._identities = self._identify()
        present = [os.fsdecode(root) for root, identity in zip(self._roots, self._identities, strict=True) if identity]
        self._events = RustNotify(present, False, False, 0, True, True)

    def _identify(self) -> list[tuple[int, int] | None]:
        return [_identity(root) for root in self._roots]


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
