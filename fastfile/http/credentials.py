"""The Authorization field of the Basic scheme (RFC 7617): reads credentials, and does not check them."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

_CONTROLS = bytes((*range(32), 127))


def maybe_basic(value: bytes) -> tuple[bytes, bytes] | None:
    """Return user-id and password, or None if the value is of another scheme or is not well formed."""
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"basic":  # RFC 9110 §11.1: case-insensitive
        return None
    try:
        decoded = a2b_base64(token.strip(b" "), strict_mode=True)
    except Base64Error:
        return None
    user, colon, password = decoded.partition(b":")  # a password may contain colons
    # RFC 7617 §2: neither may contain control characters.
    if not colon or len(decoded.translate(None, _CONTROLS)) != len(decoded):
        return None
    return user, password
