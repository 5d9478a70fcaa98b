"""The login keychain of macOS, which Safari, Chrome and curl trust; changed by its tool ``security``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert

from fastfile.commands.cert.stores import NAME, Machine, StoreError, run
from fastfile.local_ca.folder import Person

_MAX_ENTRIES = 16  # of one name that are removed


@dataclass(frozen=True, slots=True)
class Keychain:
    """The keychain of one user: no root is needed, but macOS asks for the user's password."""

    person: Person
    readers: str = "Safari, Chrome, curl, Go"

    @property
    def path(self) -> str:
        return os.path.join(self.person.home, "Library", "Keychains", "login.keychain-db")

    @property
    def title(self) -> str:
        return f"keychain ({self.path})"

    def holds(self, pem: bytes) -> bool:
        digest = sha256(PEM_cert_to_DER_cert(pem.decode())).hexdigest().upper()
        return digest in self._list()

    def add(self, path: str) -> None:
        self.remove()
        self._run("add-trusted-cert", "-r", "trustRoot", "-k", self.path, path)

    def remove(self) -> bool:
        count = 0
        while count < _MAX_ENTRIES and self._list():
            self._run("delete-certificate", "-c", NAME, "-t", self.path)  # -t: the trust settings too
            count += 1
        return count > 0

    def _list(self) -> str:
        with suppress(StoreError):
            return self._run("find-certificate", "-a", "-Z", "-c", NAME, self.path)
        return ""

    def _run(self, *arguments: str) -> str:
        return run(["security", *arguments], self.person)


def find_keychain(machine: Machine) -> Keychain:
    """Return the keychain of the user."""
    return Keychain(machine.person)
