"""The certificates that the settings ask for, read in the supervisor: a worker's sandbox hides the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.terminal import printable

if TYPE_CHECKING:
    from fastfile.server.local_certificate import LocalCertificate
    from fastfile.server.net.tls.certificates import CertificateFiles
    from fastfile.server.net.tls.contexts import Contexts


def is_secure(config: Config) -> bool:
    """Tell whether the settings ask for HTTPS on TCP."""
    return config.is_secure


def load_contexts(config: Config) -> Contexts | None:
    """Read the certificates of the settings; None where HTTPS is off. Raises StartError with one line."""
    if not is_secure(config):
        return None
    # Imported here: most servers start without OpenSSL. The workers need the transport, and cannot import it later.
    from fastfile.middleware import https  # noqa: F401
    from fastfile.server.net.tls import transport  # noqa: F401
    from fastfile.server.net.tls.contexts import Policy, load

    local = None
    if config.https:
        from fastfile.middleware import ca_download  # noqa: F401
        from fastfile.server.local_certificate import find_local_certificate

        local = find_local_certificate(config)
    policy = Policy(minimum=config.tls_min, password=_read_password(config))
    return load(find_files(config, local), policy, local)


def find_files(config: Config, local: LocalCertificate | None) -> list[CertificateFiles]:
    """Return the pairs of files that the settings name, or that of the local certificate."""
    from fastfile.server.net.tls.certificates import CertificateFiles

    if local is not None:
        return [CertificateFiles(local.path, local.path, is_local=True)]
    return [CertificateFiles(*pair) for pair in zip(config.tls_cert, config.tls_key, strict=True)]


def _read_password(config: Config) -> str | None:
    path = config.tls_password_file
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise StartError(f"--tls-password-file {printable(path)}: cannot be read: {error.strerror}") from None
