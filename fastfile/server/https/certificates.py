"""The certificates of the settings, read in the supervisor: a worker's sandbox hides the files."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile.config.config import Config
from fastfile.errors import StartError, Unreadable
from fastfile.terminal import printable

if TYPE_CHECKING:
    from fastfile.server.https.local_certificate import LocalCertificate
    from fastfile.server.net.tls.certificates import CertificateFiles, Stamp
    from fastfile.server.net.tls.contexts import Contexts
    from fastfile.server.resources import Plan

# What is offered by ALPN, for each --http; a client that offers nothing gets HTTP/1.1.
PROTOCOLS = {"auto": ("h2", "http/1.1"), "1": ("http/1.1",), "2": ("h2",)}
LOOK_S = 1.0  # between checks of the files; reporting workers wake the supervisor this often anyway
RENEW_RETRY_S = 3600.0  # between attempts to renew a local certificate, the first of which is 30 days before its end


def load_contexts(config: Config) -> Contexts | None:
    """Read the certificates of the settings; None if HTTPS is off. Raises StartError with one line."""
    return _load(config) if config.is_secure else None


def _load(config: Config) -> Contexts:
    # Imported here: most servers start without OpenSSL. The workers need the transport, and cannot import it later.
    from fastfile.middleware import https  # noqa: F401
    from fastfile.server.net.tls import transport  # noqa: F401
    from fastfile.server.net.tls.contexts import Policy, load

    local = None
    if config.https:
        from fastfile.server.https.local_certificate import find_local_certificate

        local = find_local_certificate(config)
    policy = Policy(config.tls_min, PROTOCOLS[config.http], _read_password(config))
    return load(find_files(config, local), policy, local)


def tell_unaccepted(contexts: Contexts) -> list[str]:
    """Return a line for each certificate that a server can use and most clients do not accept."""
    return [
        f"--tls-cert {printable(each.files.certificate)}: browsers do not accept it, because it has no subjectAltName"
        for each in contexts.certificates
        if not each.has_alternative_names
    ]


class CertificateWatch:
    """Notices in the supervisor when the certificates in use must be read again.

    That makes new keys for session tickets, so it is also done when these are old.
    """

    def __init__(self) -> None:
        self._look_at_s = 0.0
        self._contexts: Contexts | None = None
        self._made_s = 0.0
        self._renew_at_s = 0.0
        self._before: tuple[Stamp, ...] = ()
        self._tried: tuple[Stamp, ...] = ()

    def maybe_due(self, contexts: Contexts | None, ticket_key_life_s: float) -> str | None:
        """Return why ``contexts`` must be made again; None if they need not. A reason is returned once.

        ``ticket_key_life_s`` of 0 is without end.
        """
        if contexts is None or time.monotonic() < self._look_at_s:
            return None
        self._look_at_s = time.monotonic() + LOOK_S
        if contexts.local is not None and self._is_old(contexts.local):
            return "the local certificate expires soon"
        if self._has_changed(contexts):
            return "the files of the certificates have changed"
        if ticket_key_life_s and self._has_old_keys(contexts, ticket_key_life_s):
            return "session tickets get new keys"
        return None

    def _has_changed(self, contexts: Contexts) -> bool:
        """Tell whether the files differ from those in use and equal those of the last check; True once per state."""
        from fastfile.server.net.tls.certificates import UNSEEN, read_stamps

        stamps = read_stamps([certificate.files for certificate in contexts.certificates])
        if stamps in (contexts.stamps, self._tried) or UNSEEN in stamps:
            return False
        if stamps != self._before:
            self._before = stamps
            return False
        self._tried = stamps
        return True

    def _has_old_keys(self, contexts: Contexts, life_s: float) -> bool:
        """Tell whether the keys of session tickets are too old, counted from when ``contexts`` was first seen."""
        if contexts is not self._contexts:
            self._contexts, self._made_s = contexts, time.monotonic()
        if time.monotonic() < self._made_s + life_s:
            return False
        self._made_s = time.monotonic()
        return True

    def _is_old(self, local: LocalCertificate) -> bool:
        """Tell whether a local certificate must be renewed, which reading it again does."""
        if time.time() < local.renew_at_s or time.monotonic() < self._renew_at_s:
            return False
        self._renew_at_s = time.monotonic() + RENEW_RETRY_S
        return True


def load_contexts_again(config: Config, current: Plan, say: Callable[[str], None]) -> Contexts | None:
    """Read the certificates for a reload. Raises StartError.

    If the same files are no longer readable, because the server now runs as another user, those in use stay.
    """
    if not config.is_secure:
        return None
    try:
        return load_contexts(config)
    except Unreadable as error:
        contexts = current.contexts
        if contexts is None or (contexts.local is not None) != config.https:
            raise
        if find_files(config, contexts.local) != [certificate.files for certificate in contexts.certificates]:
            raise
        say(f"{error}; the old certificates stay in use")
        return contexts


def renew(plan: Plan, reason: str, say: Callable[[str], None]) -> Plan | None:
    """Return a plan with the certificates of now; None, with a line to ``say``, if they are wrong."""
    try:
        contexts = _load(plan.config)  # with sockets of a service manager, --bind may be a Unix socket by now
    except StartError as error:
        say(f"the old certificates stay in use: {error}")
        return None
    say(f"{reason}: reloading the certificates")
    return plan._replace(contexts=contexts)


def find_files(config: Config, local: LocalCertificate | None) -> list[CertificateFiles]:
    """Return the pairs of files of the settings, or that of the local certificate."""
    from fastfile.server.net.tls.certificates import CertificateFiles

    if local is not None:
        return [CertificateFiles(local.path, local.path, is_local=True)]
    keys = config.tls_key or config.tls_cert  # one file may have both, as for http.server
    return [CertificateFiles(*pair) for pair in zip(config.tls_cert, keys, strict=True)]


def _read_password(config: Config) -> str | None:
    path = config.tls_password_file
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise StartError(f"--tls-password-file {printable(path)}: cannot be read: {error.strerror}") from None
