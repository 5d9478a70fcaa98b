"""The contexts of TLS: one for each certificate, made in the supervisor before the fork, so that workers share tickets.

It knows the policy (versions, ciphers, no renegotiation) and chooses a certificate by the name that a client asks for.
certificates.py checks the files.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastfile.server.net.tls.certificates import Certificate, CertificateFiles, Stamp, read_certificate, read_stamps

if TYPE_CHECKING:
    from fastfile.server.local_certificate import LocalCertificate

# Mozilla's intermediate profile (version 5.7) without the finite-field ciphers, which need parameters of their own:
# each has forward secrecy and authenticated encryption. TLS 1.3 has ciphers of its own, and all of them are good.
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
    """``protocols`` are offered by ALPN, in our order of preference."""

    minimum: str = "1.2"
    protocols: Sequence[str] = HTTP_1
    password: str | None = None  # of encrypted keys


@dataclass(frozen=True, slots=True)
class Contexts:
    """``default`` is for clients that name no host, or one that no certificate has. All hand over to the right one."""

    default: ssl.SSLContext
    certificates: tuple[Certificate, ...]
    local: LocalCertificate | None = None  # of --https
    stamps: tuple[Stamp, ...] = ()  # of the files, from before they were read

    def of(self, context: ssl.SSLContext) -> Certificate:
        """Return the certificate of a context that a handshake ended with."""
        for certificate in self.certificates:
            if certificate.context is context:
                return certificate
        return self.certificates[0]


def load(files: Sequence[CertificateFiles], options: Policy, local: LocalCertificate | None = None) -> Contexts:
    """Read certificates and keys, check them, and make their contexts. Raises StartError with one line.

    Each call makes new contexts, with ticket keys of their own; those of before stay as they are.
    """
    stamps = read_stamps(files)
    certificates = tuple(read_certificate(pair, make_context(options), options.password) for pair in files)
    default = certificates[0].context
    if len(certificates) > 1:
        default.sni_callback = _make_chooser(certificates)
    return Contexts(default, certificates, local, stamps)


def make_context(options: Policy) -> ssl.SSLContext:
    """Return the context of a server by our policy, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = MINIMUM[options.minimum]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # All ciphers are strong, so the client chooses the one that is fast on its processor (Mozilla, intermediate).
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
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
