"""Claims: small objects below ``running/``, so that no prune deletes what a running publish counts on.

A process first writes its claim and then looks for others, so that of two processes at least one sees the other. A
prune gives way to a publish. The claim of a killed process counts for an hour.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from fastfile.releases.store import Conflict, Store, StoreError, Unsupported

PREFIX = "running/"
STALE_S = 3600.0
_RENEWAL_S = 600.0
_PATIENCE_S = 60.0  # a prune gives way between two requests
_POLL_S = 0.2
_NO_ETAG = '"00000000000000000000000000000000"'


class Claim:
    """The claim of this process on a store, while it is entered. Threads may share it."""

    def __init__(self, store: Store, kind: Literal["publish", "prune"], patience_s: float = _PATIENCE_S) -> None:
        self._store = store
        self._kind = kind
        self._patience_s = patience_s
        self._key = f"{PREFIX}{kind}-{secrets.token_hex(8)}"
        self._renewed_s = 0.0
        self.is_conditional = True

    def __enter__(self) -> Self:
        self._write()
        try:
            if self._kind == "publish":
                self.is_conditional = self._has_conditions()
            self._wait()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def rivals(self) -> list[str]:
        """Return the claims that this one cannot run beside: those of prunes, and for a prune all."""
        listed = list(self._store.list(PREFIX))
        # The store's clock: the time of this claim is less than a renewal ago.
        now_s = max((one.modified_s for one in listed if one.key == self._key), default=time.time())
        others = [one for one in listed if one.key != self._key and now_s - one.modified_s < STALE_S]
        rival = PREFIX if self._kind == "prune" else f"{PREFIX}prune-"
        return [one.key for one in others if one.key.startswith(rival)]

    def hold(self) -> None:
        """Renew the claim if it is time. Raises StoreError if the process slept for so long that it ran out."""
        age_s = time.time() - self._renewed_s
        if age_s > STALE_S / 2:
            raise StoreError(f"{self._store.location}: interrupted for {age_s / 60:.0f} minutes; try again")
        if age_s > _RENEWAL_S:
            self._write()

    def _wait(self) -> None:
        deadline_s = time.monotonic() + self._patience_s
        while self.rivals():
            if self._kind == "prune" or time.monotonic() > deadline_s:
                other = "prune" if self._kind == "publish" else "publish or prune"
                raise StoreError(f"{self._store.location}: a {other} is running; try again when it is done")
            time.sleep(_POLL_S)

    def _write(self) -> None:
        self._renewed_s = time.time()
        self._store.put(self._key, b"")

    def _remove(self) -> None:
        with suppress(StoreError):  # it runs out
            self._store.delete([self._key])

    def _has_conditions(self) -> bool:
        """Tell whether the store heeds If-Match: a put with another entity tag has to fail."""
        try:
            self._store.put(self._key, b"", if_match=_NO_ETAG)
        except Conflict:
            return True
        except Unsupported:
            return False
        return False
