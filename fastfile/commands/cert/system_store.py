"""The CA store of a Linux system: a folder of anchors, and the tool that makes bundles of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from fastfile.commands.cert.stores import Absent, Machine, StoreError, check_root, run


@dataclass(frozen=True, slots=True)
class _Family:
    """The place where a family of distributions keeps its anchors."""

    folder: str
    extension: str
    refresh: tuple[str, ...]
    clean: tuple[str, ...] = ()  # options that remove links to anchors that have gone


_DEBIAN = ("update-ca-certificates",)
_FAMILIES = (
    _Family("/etc/pki/ca-trust/source/anchors", ".pem", ("update-ca-trust", "extract")),  # Fedora, RHEL
    _Family("/etc/ca-certificates/trust-source/anchors", ".crt", ("trust", "extract-compat")),  # Arch
    _Family("/usr/local/share/ca-certificates", ".crt", _DEBIAN, ("--fresh",)),  # Debian, Ubuntu, Alpine
    _Family("/etc/pki/trust/anchors", ".pem", _DEBIAN, ("--fresh",)),  # SUSE
)


@dataclass(frozen=True, slots=True)
class SystemStore:
    """The store of one family."""

    machine: Machine
    family: _Family
    readers: str = "curl, wget, Git, Python's ssl, Go"

    @property
    def path(self) -> str:
        """The file of fastfile's anchor: one for each user."""
        return f"{self.machine.root}{self.family.folder}/fastfile-ca-{self.machine.person.name}{self.family.extension}"

    @property
    def title(self) -> str:
        return f"system ({self.path})"

    def holds(self, pem: bytes) -> bool:
        try:
            with open(self.path, "rb") as file:
                return file.read() == pem
        except OSError:
            return False

    def add(self, path: str) -> None:
        install, refresh = ["install", "-m", "644", path, self.path], self._refresh_command()
        check_root(install, refresh)
        run(install, as_root=True)
        try:
            run(refresh, as_root=True)
        except StoreError:
            run(["rm", "-f", self.path], as_root=True)
            raise

    def remove(self) -> bool:
        if not os.path.lexists(self.path):
            return False
        remove, refresh = ["rm", "-f", self.path], self._refresh_command(*self.family.clean)
        check_root(remove, refresh)
        run(remove, as_root=True)
        run(refresh, as_root=True)
        return True

    def _refresh_command(self, *options: str) -> list[str]:
        return [*self.family.refresh, *options, *self._elsewhere()]

    def _elsewhere(self) -> list[str]:
        """Return the options that keep update-ca-certificates in another root."""
        root = self.machine.root
        if not root:
            return []
        paths = {"--localcertsdir": self.family.folder, "--etccertsdir": "/etc/ssl/certs"}
        paths |= {"--hooksdir": "/etc/ca-certificates/update.d", "--certsconf": "/etc/ca-certificates.conf"}
        return [word for option, path in paths.items() for word in (option, root + path)]


def find_system_store(machine: Machine) -> SystemStore | Absent:
    """Return the store of this system."""
    for family in _FAMILIES:
        if os.path.isdir(machine.root + family.folder) and shutil.which(family.refresh[0]):
            return SystemStore(machine, family)
    return Absent("system", "no tool for its certificates: install the package ca-certificates")
