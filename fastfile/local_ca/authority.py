"""A certificate authority: a certificate and its key, read from a folder or made, and the names that it may certify.

Imported when it is used, because the package ``cryptography`` may be missing (library.py).
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fastfile.errors import StartError, Unreadable
from fastfile.local_ca.folder import Person, give, make_folder, make_refusal, write_whole
from fastfile.local_ca.names import LOCAL_DOMAINS, LOCAL_NETWORKS, Name, host_names, is_beneath, is_local
from fastfile.local_ca.tlds import TOP_LEVEL_DOMAINS
from fastfile.terminal import printable

LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(hours=1)  # for phones whose clock is slow
CERTIFICATE, KEY = "fastfile-ca.pem", "fastfile-ca-key.pem"
_MAX_COMMON_NAME = 64  # X.520, ub-common-name
_PEM = serialization.Encoding.PEM

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can issue certificates. ``path`` is its certificate's file; a foreign one was made by mkcert."""

    certificate: x509.Certificate
    key: PrivateKey
    path: str
    is_foreign: bool

    @property
    def pem(self) -> bytes:
        """The certificate as text."""
        return self.certificate.public_bytes(_PEM)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 digest of the certificate, as browsers and phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def permitted_domains(self) -> list[str]:
        """The domains that it is limited to; empty if it is limited to none."""
        permitted, _ = self._subtrees()
        return [subtree.value for subtree in permitted if isinstance(subtree, x509.DNSName)]

    def may_certify(self, name: Name) -> bool:
        """Tell whether clients accept a certificate of this CA for a name (RFC 5280 §4.2.1.10)."""
        permitted, excluded = self._subtrees()
        if any(_holds(subtree, name) for subtree in excluded):
            return False
        of_kind = [subtree for subtree in permitted if isinstance(subtree, x509.DNSName) == isinstance(name, str)]
        return not of_kind or any(_holds(subtree, name) for subtree in of_kind)

    def _subtrees(self) -> tuple[Sequence[x509.GeneralName], Sequence[x509.GeneralName]]:
        """Return what is permitted and what is excluded."""
        try:
            constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            return [], []
        return constraints.permitted_subtrees or [], constraints.excluded_subtrees or []


def _holds(subtree: x509.GeneralName, name: Name) -> bool:
    if isinstance(subtree, x509.DNSName):
        return isinstance(name, str) and is_beneath(name.removeprefix("*."), subtree.value)
    network = subtree.value
    return isinstance(network, IPv4Network | IPv6Network) and not isinstance(name, str) and name in network


def read_authority(path: str, key_path: str, remedy: str, now: datetime, is_foreign: bool = False) -> Authority:
    """Read a CA. Raises StartError if it is damaged, expired or not a CA; ``remedy`` ends its text."""

    def refuse(file: str, problem: str, kind: type[StartError] = StartError) -> StartError:
        return kind(f"{printable(file)}: {problem}; {remedy}")

    try:
        content, key_content = _read(path), _read(key_path)
    except OSError as error:
        kind = Unreadable if isinstance(error, PermissionError) else StartError
        raise refuse(error.filename, f"the local CA cannot be read: {error.strerror}", kind) from None
    try:
        certificate = x509.load_pem_x509_certificate(content)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound):
        raise refuse(path, "this is not a certificate of a CA") from None
    try:
        key = serialization.load_pem_private_key(key_content, None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise refuse(key_path, "this is not a private key, or it has a password") from None
    if not constraints.ca:
        raise refuse(path, "this is not a certificate of a CA")
    if not isinstance(key, PrivateKey) or key.public_key() != certificate.public_key():
        raise refuse(key_path, "this key does not belong to the certificate of the CA")
    if now >= certificate.not_valid_after_utc:
        raise refuse(path, f"the local CA expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if not is_foreign and (problem := _find_stranger(os.stat(key_path))):
        raise refuse(key_path, problem)
    return Authority(certificate, key, path, is_foreign)


def _find_stranger(status: os.stat_result) -> str:
    """Return why the key of a CA may be known to another user; an empty string if it is not."""
    if os.geteuid() not in (0, status.st_uid) and status.st_uid != 0:
        return "another user owns the key of the local CA"
    return "other users can read the key of the local CA, and could have copied it" if status.st_mode & 0o077 else ""


def make_authority(folder: str, person: Person, now: datetime) -> None:
    """Make a CA in ``folder``, unless another process has just done so. Raises StartError."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _make_certificate(key, _make_title(person), host_names(), now)
    parent = os.path.dirname(folder)
    make_folder(parent, person)
    try:
        # Made under another name and renamed, so that other processes find a whole CA or none.
        staging = tempfile.mkdtemp(prefix=".ca-", dir=parent)
    except OSError as error:
        raise make_refusal(error) from None
    try:
        give(staging, person)
        write_whole(os.path.join(staging, KEY), to_pem(key), 0o600, person)
        write_whole(os.path.join(staging, CERTIFICATE), certificate.public_bytes(_PEM), 0o644, person)
        os.rename(staging, folder)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if not os.path.isdir(folder):
            raise make_refusal(error) from None


def to_pem(key: PrivateKey) -> bytes:
    """Return a private key as text (PKCS #8), without a password: a server starts without its user."""
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def choose_domains(hosts: Sequence[str]) -> list[str]:
    """Return the domains that a CA is limited to, without those of the internet."""
    return [*LOCAL_DOMAINS, *(host for host in hosts if not is_local(host) and host not in TOP_LEVEL_DOMAINS)]


def _make_title(person: Person) -> str:
    return f"fastfile local CA ({person.name}@{socket.gethostname()})"[:_MAX_COMMON_NAME]


def _make_certificate(
    key: ec.EllipticCurvePrivateKey, title: str, hosts: Sequence[str], now: datetime
) -> x509.Certificate:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fastfile"), x509.NameAttribute(NameOID.COMMON_NAME, title)]
    )
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in choose_domains(hosts)]
    permitted += [x509.IPAddress(network) for network in LOCAL_NETWORKS]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def key_usage(signs_certificates: bool) -> x509.KeyUsage:
    """Return the usage of a key: signing certificates, or handshakes."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
