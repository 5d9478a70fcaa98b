"""Claims: small objects below ``running/``, so that no prune deletes what a running publish counts on.

A process first writes its claim and then looks for others, so that of two processes at least one sees the other. A
prune gives way to a publish. A thread renews the claim; the claim of a killed process runs out after five minutes. A
process that could not renew its own for half of that time, because it was suspended or the store did not answer, gives
up before it changes anything.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from fastfile.releases.store import Conflict, Store, StoreError, Unsupported

PREFIX = "running/"
STALE_S = 300.0
_RENEWAL_S = 20.0
_LAST_RENEWAL_S = 2.0
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
        self._renewed_s = (0.0, 0.0)  # by both clocks: one stands still while the machine sleeps, one can be set
        self._is_lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="claim", daemon=True)
        self.is_conditional = True

    def __enter__(self) -> Self:
        self._renewed_s = time.time(), time.monotonic()
        self._write()
        self._thread.start()
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
        # The store's clock: this claim was renewed a moment ago.
        now_s = max((one.modified_s for one in listed if one.key == self._key), default=time.time())
        others = [one for one in listed if one.key != self._key and now_s - one.modified_s < STALE_S]
        rival = PREFIX if self._kind == "prune" else f"{PREFIX}prune-"
        return [one.key for one in others if one.key.startswith(rival)]

    def hold(self) -> None:
        """Raise StoreError if the claim may have run out: this process slept, or the store did not answer."""
        age_s = self._age_s()
        if self._is_lost or age_s > STALE_S / 2:
            self._is_lost = True
            raise StoreError(f"{self._store.location}: interrupted for {max(age_s, STALE_S / 2):.0f} s; try again")

    def _keep(self) -> None:
        """Renew the claim until it ends, or is lost."""
        while not self._ended.wait(_RENEWAL_S):
            self._is_lost = self._is_lost or self._age_s() > STALE_S / 2
            if self._is_lost:
                return
            with suppress(StoreError):  # there is another attempt
                self._write()

    def _age_s(self) -> float:
        wall_s, monotonic_s = self._renewed_s
        return max(time.time() - wall_s, time.monotonic() - monotonic_s)

    def _wait(self) -> None:
        deadline_s = time.monotonic() + self._patience_s
        while self.rivals():
            if self._kind == "prune" or time.monotonic() > deadline_s:
                other = "prune" if self._kind == "publish" else "publish or prune"
                ended = f"or was killed in the last {STALE_S / 60:.0f} minutes"
                raise StoreError(f"{self._store.location}: a {other} is running, {ended}; try again later")
            time.sleep(_POLL_S)

    def _write(self) -> None:
        began_s = time.time(), time.monotonic()
        self._store.put(self._key, b"")
        self._renewed_s = began_s

    def _remove(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_RENEWAL_S)  # it would write the claim again
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
