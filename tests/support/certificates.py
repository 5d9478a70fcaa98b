"""Certificates for tests, made on demand: self-signed, of a CA, expired, with an encrypted key.

The package cryptography makes them; the extra ``https`` installs it, and one leg of CI runs without it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Name
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Pair(NamedTuple):
    """A certificate, its key, and their files in PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate_path: str
    key_path: str

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def options(self) -> list[str]:
        return ["--tls-cert", self.certificate_path, "--tls-key", self.key_path]

    def client(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """Return the context of a client that trusts this certificate alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem.decode())
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def name_subject(*common_names: str) -> Name:
    return Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])


def make_pair(
    folder: Path,
    names: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
    *,
    stem: str = "server",
    subject: Name | None = None,
    begin: datetime.timedelta = -DAY,
    end: datetime.timedelta = 30 * DAY,
    issuer: Pair | None = None,
    is_authority: bool = False,
    password: bytes | None = None,
    chain: Sequence[Pair] = (),
    mode: int = 0o600,
) -> Pair:
    """Make a certificate, by default self-signed, and write it and its key; ``chain`` goes behind it in its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    if subject is None:
        subject = name_subject(f"{stem} of a test")
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    certificate = builder.sign(key if issuer is None else issuer.key, hashes.SHA256())
    pair = Pair(certificate, key, os.fspath(folder / f"{stem}.pem"), os.fspath(folder / f"{stem}.key"))
    Path(pair.certificate_path).write_bytes(b"".join(each.pem for each in (pair, *chain)))
    encryption: Any = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    Path(pair.key_path).write_bytes(pem)
    os.chmod(pair.key_path, mode)
    return pair


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
