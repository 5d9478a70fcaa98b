"""BLAKE2b and SHA-256 without OpenSSL, which hashlib loads: that takes 2 ms and some MiB of a start.

Python's own modules are its implementation details (random imports them in the same way), so hashlib is the fallback.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

__all__ = ["blake2b", "sha256"]

if TYPE_CHECKING:
    from hashlib import blake2b, sha256
else:
    with contextlib.suppress(ImportError):
        from _sha256 import sha256  # Python 3.11
    with contextlib.suppress(ImportError):
        from _sha2 import sha256
    try:
        from _blake2 import blake2b

        assert sha256
    except (ImportError, NameError):
        from hashlib import blake2b, sha256
