"""A certificate and its key: reads them into a context, and reports errors in one line.

The standard library decodes a certificate only for its peer, so one handshake in memory is made with each. That also
proves that it can be used.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastfile.errors import StartError, Unreadable
from fastfile.records import NamedTuple
from fastfile.terminal import printable

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: an expired one is decoded too, for the date in the message
HELLO_STEPS = 6  # of a handshake in memory; TLS 1.3 takes two and TLS 1.2 three


Stamp = tuple[int, int, int] | None  # device, inode and modification time of a file; None if there is none

UNSEEN = (-1, -1, -1)  # the stamp of a file in a folder that this process may not search


class CertificateFiles(NamedTuple):
    """The paths of a certificate (PEM, followed by its chain) and its key; ``is_local``: the local CA made it."""

    certificate: str
    key: str
    is_local: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate that a server can use. ``names`` are the DNS names and addresses in it, in lower case.

    ``has_alternative_names``: they are in its subjectAltName. Otherwise they are its common name, which browsers and
    most clients do not accept (RFC 9110 §4.3.4), but curl does.
    """

    files: CertificateFiles
    context: ssl.SSLContext
    names: tuple[str, ...]
    has_alternative_names: bool
    expires_s: float


def read_certificate(files: CertificateFiles, context: ssl.SSLContext, password: str | None = None) -> Certificate:
    """Load a certificate and its key into a context without one. Raises StartError with one line."""
    path = files.certificate
    chain = _split(path, _read(path, "--tls-cert"))
    _check_key(files.key, is_shared=files.key == path)
    _load(files, chain, context, password)
    fields = _decode(context, chain[0], path)
    starts_s, expires_s = (ssl.cert_time_to_seconds(fields[name]) for name in ("notBefore", "notAfter"))
    now_s = time.time()
    if now_s > expires_s:
        raise _problem("--tls-cert", path, f"the certificate expired on {_date(expires_s)}")
    if now_s < starts_s:
        raise _problem("--tls-cert", path, f"the certificate is not valid before {_date(starts_s)}")
    _check_order(path, fields, chain)
    names = [value.lower() for kind, value in fields.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    common = [value.lower() for part in fields["subject"] for kind, value in part if kind == "commonName"]
    return Certificate(files, context, tuple(names or common), names != [], expires_s)


def read_stamps(pairs: Sequence[CertificateFiles]) -> tuple[Stamp, ...]:
    """Return the state of all files, to notice changes."""
    return tuple(_stamp(path) for pair in pairs for path in (pair.certificate, pair.key))


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except PermissionError:
        return UNSEEN
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _problem(flag: str, path: str, text: str) -> StartError:
    return StartError(f"{flag} {printable(path)}: {text}")


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _read(path: str, flag: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except PermissionError as error:
        raise Unreadable(str(_problem(flag, path, f"cannot be read: {error.strerror}"))) from None
    except OSError as error:
        raise _problem(flag, path, f"cannot be read: {error.strerror}") from None


def _split(path: str, text: str) -> list[str]:
    """Return the certificates of a file as PEM, in their order."""
    found = PEM.findall(text)
    if not found:
        raise _problem("--tls-cert", path, "expected a certificate in PEM (-----BEGIN CERTIFICATE-----)")
    return found


def _check_key(path: str, is_shared: bool) -> None:
    """Refuse a key that any user may read, as OpenSSH does, because it may have been copied."""
    text = _read(path, "--tls-key")
    if "PRIVATE KEY-----" not in text:
        if is_shared:
            raise _problem("--tls-cert", path, "holds no private key: name the file of the key with --tls-key")
        raise _problem("--tls-key", path, "expected a private key in PEM")
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & stat.S_IROTH:
        raise _problem("--tls-key", path, f"any user may read the key (mode {mode:04o}): chmod o= {printable(path)}")


def _load(files: CertificateFiles, chain: Sequence[str], context: ssl.SSLContext, password: str | None) -> None:
    was_asked = False

    def get_password() -> str:
        nonlocal was_asked
        was_asked = True
        if password is None:
            raise _problem("--tls-key", files.key, "the key is encrypted: give its password with --tls-password-file")
        return password

    try:
        context.load_cert_chain(files.certificate, files.key, get_password)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason == "KEY_VALUES_MISMATCH" or reason == "KEY_TYPE_MISMATCH":
            if len(chain) > 1 and _fits_another(files, chain[1:], context, get_password):
                raise _problem("--tls-cert", files.certificate, "put the server's certificate first") from None
            raise _problem("--tls-key", files.key, f"is not the key of {printable(files.certificate)}") from None
        if was_asked:
            raise _problem("--tls-key", files.key, "the password of --tls-password-file is wrong") from None
        shown = reason.replace("_", " ").lower() or "not a certificate and its key in PEM"
        raise _problem("--tls-cert", files.certificate, f"cannot be used: {shown}") from None
    except OSError as error:
        raise _problem("--tls-cert", files.certificate, f"cannot be read: {error.strerror}") from None


def _fits_another(
    files: CertificateFiles, others: Sequence[str], context: ssl.SSLContext, get_password: Callable[[], str]
) -> bool:
    """Tell whether the key belongs to another certificate of the chain."""
    import tempfile  # only for this mistake

    for pem in others:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            with contextlib.suppress(ssl.SSLError):
                context.load_cert_chain(file.name, files.key, get_password)
                return True
    return False


def _check_order(path: str, fields: dict[str, Any], chain: Sequence[str]) -> None:
    """Refuse a chain in which a certificate is not followed by that of its issuer (RFC 8446 §4.4.2, RFC 5246)."""
    issuer = fields.get("issuer")
    for position, pem in enumerate(chain[1:], 2):
        found = _decode_authority(pem)
        if found is None or found.get("subject") != issuer:
            raise _problem(
                "--tls-cert",
                path,
                f"certificate {position} is not the issuer of certificate {position - 1}: put the chain in order",
            )
        issuer = found.get("issuer")


def _decode_authority(pem: str) -> dict[str, Any] | None:
    """Return the fields of the certificate of a CA; None for that of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError:
        return None
    found = context.get_ca_certs()
    return dict(found[0]) if found else None


def _decode(context: ssl.SSLContext, pem: str, path: str) -> dict[str, Any]:
    """Return the fields of the certificate that a context has, as getpeercert() does, by a handshake in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=pem)
    client.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        context.wrap_bio(to_server, to_client, server_side=True),
    )
    finished: set[ssl.SSLObject] = set()
    try:
        for step in range(HELLO_STEPS):
            end = ends[step % 2]
            try:
                end.do_handshake()
                finished.add(end)
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLError as error:
        reason = (error.reason or "the handshake fails").replace("_", " ").lower()
        raise _problem("--tls-cert", path, f"cannot be used by a server: {reason}") from None
    fields = ends[0].getpeercert()
    assert fields, "a handshake in memory has an end"
    return dict(fields)
