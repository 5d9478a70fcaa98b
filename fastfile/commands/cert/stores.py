"""The stores of trusted CAs on this machine: their interface, which ones exist, and the tools that change them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fastfile.local_ca.folder import Person
from fastfile.terminal import printable

NAME = "fastfile local CA"  # of our entry in a store: it is found again where the CA has been replaced
_TOOL_S = 120.0  # on a slow disk update-ca-certificates takes some seconds; a user may have to type a password


class StoreError(Exception):
    """A store cannot be read or changed; the message is one line."""


class Store(Protocol):
    """A store of trusted CAs. Every method raises StoreError."""

    @property
    def title(self) -> str:
        """The kind of store, and its place."""

    @property
    def readers(self) -> str:
        """The programs that trust it."""

    def holds(self, pem: bytes) -> bool:
        """Tell whether it trusts the certificate."""

    def add(self, path: str) -> None:
        """Trust the certificate in a file, replacing an earlier one of fastfile's."""

    def remove(self) -> bool:
        """Remove fastfile's certificate; False if there was none."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The user of the stores, and the root folder of the system's, such as that of an image; usually empty."""

    person: Person
    root: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """A kind of store that this machine does not have, and why."""

    title: str
    reason: str


def check_root(*commands: Sequence[str]) -> None:
    """Raise StoreError if these commands need root and sudo cannot ask for its password: with what to type."""
    if os.geteuid() != 0 and not (sys.stdin is not None and sys.stdin.isatty() and shutil.which("sudo")):
        raise StoreError("this needs root: " + " && ".join(f"sudo {shlex.join(command)}" for command in commands))


def run(command: Sequence[str], person: Person | None = None, as_root: bool = False) -> str:
    """Run a tool without a terminal, as ``person`` if that is another user; return its output. Raises StoreError.

    ``as_root`` runs it with sudo, which may ask for a password if there is a terminal.
    """
    if shutil.which(command[0]) is None:
        raise StoreError(f"{command[0]} is not installed")
    is_sudo = as_root and os.geteuid() != 0
    if is_sudo:
        command = ["sudo", "--prompt=Password of %p, for the CA store of this system: ", "--", *command]
    other = person is not None and os.geteuid() == 0 != person.uid
    try:
        done = subprocess.run(
            command,
            stdin=None if is_sudo else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not is_sudo else None,
            timeout=_TOOL_S,
            start_new_session=not is_sudo,  # certutil would ask on the terminal for the password of a browser
            user=person.uid if person is not None and other else None,
            group=person.gid if person is not None and other else None,
            extra_groups=[] if other else None,
            env={**os.environ, "HOME": person.home} if person is not None else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreError(f"{command[0]}: {error}") from None
    if done.returncode:
        lines = (done.stderr or b"").decode(errors="replace").strip().splitlines()
        raise StoreError(f"{command[0]}: {printable(lines[-1])}" if lines else f"{command[0]} failed")
    return done.stdout.decode(errors="replace")
