"""Records of a TLS 1.3 client, made by hand with the secret of its handshake, as no client sends them (RFC 8446)."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HANDSHAKE, APPLICATION_DATA = 22, 23


class Records:
    """Goes on with a client's first records behind the handshake; ``log`` is its key log, of AES-256 and SHA-384."""

    def __init__(self, log: Path, secret: str = "CLIENT_TRAFFIC_SECRET_0") -> None:
        lines = dict(line.split()[::2] for line in log.read_text().splitlines() if not line.startswith("#"))
        self._secret = bytes.fromhex(lines[secret])
        self._set_keys()

    def make(self, kind: int, content: bytes) -> bytes:
        """Return the next record."""
        inner = content + bytes((kind,))
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (int.from_bytes(self._iv, "big") ^ self._number).to_bytes(12, "big")
        self._number += 1
        return head + self._cipher.encrypt(nonce, inner, head)

    def change_keys(self, is_request: bool = False) -> bytes:
        """Return a KeyUpdate; ``is_request``: the server shall change its keys, too."""
        record = self.make(HANDSHAKE, b"\x18\0\0\1" + bytes((is_request,)))
        self._secret = self._expand(b"traffic upd", len(self._secret))
        self._set_keys()
        return record

    def _set_keys(self) -> None:
        self._cipher = AESGCM(self._expand(b"key", 32))
        self._iv = self._expand(b"iv", 12)
        self._number = 0

    def _expand(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label (RFC 8446 §7.1), for a result of one hash at most."""
        label = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0\1"
        return hmac.digest(self._secret, info, hashlib.sha384)[:size]
