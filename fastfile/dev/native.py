"""The events of macOS, by the package watchfiles (an extra, dev)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from watchfiles import watch

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
        found: Iterable[tuple[object, str]] = ()
        if self._events is not None:
            found = next(self._events)
        else:
            time.sleep(_TIMEOUT_MS / 1000)
        if self._identify() != self._identities:
            self._begin()
            return [Change(root) for root in self._roots]
        paths = {os.fsencode(path) for _, path in found}
        return [Change(path) for path in sorted(paths) if not any(map(is_ignored, path.split(b"/")))]

    def _begin(self) -> None:
        self._identities = self._identify()
        present = [os.fsdecode(root) for root, identity in zip(self._roots, self._identities, strict=True) if identity]
        self._events = None
        if present:
            self._events = watch(
                *present,
                watch_filter=None,
                debounce=_STEP_MS,
                step=_STEP_MS,
                rust_timeout=_TIMEOUT_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
            )
            next(self._events)  # it begins to watch with the first call

    def _identify(self) -> list[tuple[int, int] | None]:
        return [_identity(root) for root in self._roots]


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
