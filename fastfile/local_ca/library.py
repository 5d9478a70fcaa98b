"""The CA in use, and the certificate of ``--https``: found if they exist, made if not.

Imports the package ``cryptography`` only when one of them is needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from fastfile.errors import StartError, tell_missing
from fastfile.local_ca.folder import Person, data_home, find_person, make_folder, make_refusal, write_whole
from fastfile.local_ca.names import Name

if TYPE_CHECKING:
    from fastfile.local_ca.authority import Authority

_REMEDY = "`fastfile cert --new` makes another CA"
_MKCERT_REMEDY = "this is the CA of mkcert; `fastfile cert --new` makes one of fastfile's own"
_MKCERT_FILES = ("rootCA.pem", "rootCA-key.pem")


@dataclass(frozen=True, slots=True)
class Library:
    """The files of one user: ``ca`` is the folder of the CA, ``leaves`` that of its certificates."""

    person: Person
    folder: str
    caroot: str  # where mkcert has a CA; empty if it has none
    is_caroot_given: bool

    @property
    def ca(self) -> str:
        return os.path.join(self.folder, "ca")

    @property
    def leaves(self) -> str:
        return os.path.join(self.folder, "certificates")

    @property
    def mark(self) -> str:
        """A file that exists while some store has the CA, so that a start need not check each store."""
        return os.path.join(self.folder, "installed")

    def is_trusted(self, authority: Authority) -> bool:
        """Tell whether ``fastfile cert install`` has added this CA to a store, or mkcert its own."""
        if authority.is_foreign:
            return True
        try:
            with open(self.mark, encoding="ascii", errors="replace") as file:
                return file.read() == authority.fingerprint
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate to serve: one file with the key. ``left_out`` are names that the CA may not certify."""

    path: str
    expires: datetime
    left_out: tuple[Name, ...] = ()


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def check_package() -> None:
    """Raise StartError if the package that makes certificates is missing."""
    try:
        import cryptography.x509  # noqa: F401
    except ImportError:
        raise StartError(f"no local certificate: {tell_missing('cryptography')}; or use --tls-cert") from None


def open_library(environ: Mapping[str, str]) -> Library:
    """Return the places of the user's files. Raises StartError if there is no home."""
    person = find_person(environ)
    caroot = _find_caroot(person, environ)
    return Library(person, os.path.join(data_home(person, environ), "fastfile"), caroot, bool(environ.get("CAROOT")))


def find_authority(library: Library, now: datetime) -> Authority:
    """Return the CA in use, and make one if there is none. Raises StartError.

    It is that of $CAROOT, else fastfile's own, else mkcert's, whose root is in the browsers already.
    """
    check_package()
    from fastfile.local_ca.authority import CERTIFICATE, KEY, make_authority, read_authority

    if library.caroot and (library.is_caroot_given or not os.path.isdir(library.ca)):
        path, key_path = (os.path.join(library.caroot, name) for name in _MKCERT_FILES)
        return read_authority(path, key_path, _MKCERT_REMEDY, now, is_foreign=True)
    if not os.path.isdir(library.ca):
        make_authority(library.ca, library.person, now)
    return read_authority(os.path.join(library.ca, CERTIFICATE), os.path.join(library.ca, KEY), _REMEDY, now)


def replace_authority(library: Library, now: datetime) -> None:
    """Make a new CA in place of the old one, which may be damaged. Raises StartError."""
    check_package()
    from fastfile.local_ca.authority import make_authority

    if library.caroot and library.is_caroot_given:
        raise StartError("--new: CAROOT names the CA of mkcert: unset it for a CA of fastfile's own")
    old = f"{library.ca}.old"
    shutil.rmtree(old, ignore_errors=True)
    try:
        with suppress(FileNotFoundError):
            os.rename(library.ca, old)
    except OSError as error:
        raise make_refusal(error) from None
    make_authority(library.ca, library.person, now)
    shutil.rmtree(old, ignore_errors=True)
    with suppress(OSError):
        os.unlink(library.mark)


def find_leaf(library: Library, authority: Authority, names: Sequence[Name], now: datetime) -> Leaf:
    """Return a certificate for the names that lasts for at least 30 days, and make it if there is none."""
    from fastfile.local_ca.leaf import RENEWAL, make_leaf, maybe_expiry

    allowed = [name for name in dict.fromkeys(names) if authority.may_certify(name)]
    left_out = tuple(name for name in dict.fromkeys(names) if name not in allowed)
    # A file for each set of names, so that servers with different names do not replace each other's certificates.
    digest = sha256(" ".join(sorted(map(str, allowed))).encode()).hexdigest()[:12]
    path = os.path.join(library.leaves, f"https-{digest}.pem")
    content = b""
    with suppress(OSError), open(path, "rb") as file:
        content = file.read()
    expires = maybe_expiry(content, authority, allowed)
    last = authority.certificate.not_valid_after_utc
    if expires is not None and (now + RENEWAL < expires or expires == last):
        return Leaf(path, expires, left_out)
    certificate, key = make_leaf(authority, allowed, now)
    make_folder(library.leaves, library.person)
    _remove_expired(library.leaves, now)
    try:
        write_whole(path, certificate + key, 0o600, library.person)
    except OSError as error:
        raise make_refusal(error) from None
    made = maybe_expiry(certificate + key, authority, allowed)
    assert made is not None
    return Leaf(path, made, left_out)


def _find_caroot(person: Person, environ: Mapping[str, str]) -> str:
    """Return the folder where mkcert has a CA that this user can use; an empty string if it has none."""
    folder = environ.get("CAROOT") or os.path.join(data_home(person, environ), "mkcert")
    return folder if all(os.access(os.path.join(folder, name), os.R_OK) for name in _MKCERT_FILES) else ""


def _remove_expired(folder: str, now: datetime) -> None:
    """Remove certificates older than their lifetime: a laptop gets a new address each day."""
    from fastfile.local_ca.leaf import LIFETIME

    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if file.name.startswith("https-") and file.stat().st_mtime < (now - LIFETIME).timestamp():
                os.unlink(file.path)
