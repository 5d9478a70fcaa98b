"""TLS contexts: one for each certificate, made in the supervisor before the fork, so that workers share tickets.

Owns the policy (versions, ciphers, no renegotiation) and selects a certificate by the requested name. certificates.py
checks the files.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastfile.server.net.tls.certificates import Certificate, CertificateFiles, Stamp, read_certificate, read_stamps
from fastfile.server.net.tls.groups import limit_groups

if TYPE_CHECKING:
    from fastfile.server.https.local_certificate import LocalCertificate

# Mozilla's intermediate profile (version 5.7) without the finite-field ciphers, which need extra parameters: each has
# forward secrecy and authenticated encryption. TLS 1.3 has separate ciphers, and all of them are good.
CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HTTP_1 = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class Policy:
    """``protocols`` are offered by ALPN, in the server's order of preference."""

    minimum: str = "1.2"
    protocols: Sequence[str] = HTTP_1
    password: str | None = None  # of encrypted keys


@dataclass(frozen=True, slots=True)
class Contexts:
    """``default`` is for clients that send no name, or an unknown one. All contexts switch to the right one."""

    default: ssl.SSLContext
    certificates: tuple[Certificate, ...]
    local: LocalCertificate | None = None  # of --https
    stamps: tuple[Stamp, ...] = ()  # of the files, from before they were read

    @property
    def expires_s(self) -> float:
        """When the first of the certificates expires."""
        return min(certificate.expires_s for certificate in self.certificates)

    def of(self, context: ssl.SSLContext) -> Certificate:
        """Return the certificate of the context of a finished handshake."""
        for certificate in self.certificates:
            if certificate.context is context:
                return certificate
        return self.certificates[0]


def load(files: Sequence[CertificateFiles], options: Policy, local: LocalCertificate | None = None) -> Contexts:
    """Read certificates and keys, check them, and make their contexts. Raises StartError with one line.

    Each call makes new contexts, with new ticket keys; earlier ones do not change.
    """
    stamps = read_stamps(files)
    certificates = tuple(read_certificate(pair, make_context(options), options.password) for pair in files)
    default = certificates[0].context
    if len(certificates) > 1:
        default.sni_callback = _make_chooser(certificates)
    return Contexts(default, certificates, local, stamps)


def make_context(options: Policy) -> ssl.SSLContext:
    """Return a server context with the policy, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = MINIMUM[options.minimum]
    context.set_ciphers(CIPHERS)
    limit_groups(context)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # All ciphers are strong, so the client may choose the fastest one for its processor (Mozilla, intermediate).
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 1  # as Go; OpenSSL would copy, encrypt and send the session twice
    if options.protocols:
        context.set_alpn_protocols(list(options.protocols))
    return context


def find_certificate(certificates: Sequence[Certificate], name: str) -> Certificate | None:
    """Return the first certificate for a host: by its exact name, else by a wildcard (RFC 6125 §6.4.3)."""
    name = name.lower().rstrip(".")
    wildcard = "*." + name.partition(".")[2]
    for wanted in (name, wildcard):
        for certificate in certificates:
            if wanted in certificate.names:
                return certificate
    return None


def _make_chooser(certificates: Sequence[Certificate]):  # type: ignore[no-untyped-def]  # the type is that of ssl
    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        found = None if name is None else find_certificate(certificates, name)
        if found is not None and found.context is not context:
            connection.context = found.context

    return choose


def silence_bad_names() -> None:
    """Print nothing for a requested name that is not ASCII: Python's ssl refuses the client, and prints a traceback."""
    before = sys.unraisablehook

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not UnicodeDecodeError or not isinstance(unraisable.object, bytes):
            before(unraisable)

    sys.unraisablehook = report
