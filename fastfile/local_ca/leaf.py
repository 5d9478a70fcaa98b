"""A leaf: a certificate of the local CA for some names, in one file with its key, made again before it expires.

Imported when it is used, since the package ``cryptography`` may be missing (library.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fastfile.local_ca.authority import CLOCK_SKEW, Authority, key_usage, to_pem
from fastfile.local_ca.names import Name

LIFETIME = timedelta(days=90)  # Let's Encrypt's; browsers accept up to 398 days
RENEWAL = timedelta(days=30)  # before the end, so that a server that is started each month never serves an expired one
_MAX_COMMON_NAME = 64
_PEM = serialization.Encoding.PEM


def make_leaf(authority: Authority, names: Sequence[Name], now: datetime) -> tuple[bytes, bytes]:
    """Return the text of a certificate for the names, and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fastfile")]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, str(names[0])[:_MAX_COMMON_NAME]))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(min(now + LIFETIME, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_key_identifier(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(_PEM), to_pem(key)


def maybe_expiry(content: bytes, authority: Authority, names: Iterable[Name]) -> datetime | None:
    """Return when the leaf in ``content`` expires; None if it is not for these names, or not of this CA."""
    try:
        certificate = x509.load_pem_x509_certificate(content)
        serialization.load_pem_private_key(content, None)
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return None
    covered = {*found.get_values_for_type(x509.DNSName), *found.get_values_for_type(x509.IPAddress)}
    return certificate.not_valid_after_utc if covered >= set(names) else None


def _key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:  # of a foreign CA
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _general_name(name: Name) -> x509.GeneralName:
    return x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
