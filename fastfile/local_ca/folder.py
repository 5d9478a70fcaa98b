"""The folder of the local CA and its certificates, in the user's data folder. Writes files whole or not at all.

Under sudo it is the folder of the user who called it, so that the server and the browser use the same CA.
"""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from fastfile.errors import StartError, Unreadable, describe
from fastfile.terminal import printable


@dataclass(frozen=True, slots=True)
class Person:
    """The user who owns the CA."""

    name: str
    home: str
    uid: int
    gid: int


def find_person(environ: Mapping[str, str]) -> Person:
    """Return the user who runs this process, or who called sudo. Raises StartError if there is no home."""
    uid, gid, home = os.geteuid(), os.getegid(), environ.get("HOME", "")
    caller = environ.get("SUDO_UID", "")
    if uid == 0 and caller.isdecimal() and caller != "0":
        uid, home = int(caller), ""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        name = str(uid)  # of a container
    else:
        name, gid, home = entry.pw_name, entry.pw_gid if uid != os.geteuid() else gid, home or entry.pw_dir
    if not os.path.isabs(home):
        raise StartError("the local CA needs a home folder: HOME is not set, and this user has none")
    return Person(name, home, uid, gid)


def data_home(person: Person, environ: Mapping[str, str]) -> str:
    """Return the folder of the user's data, by the XDG Base Directory Specification or macOS's rules."""
    given = environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(given):
        return given
    tail = ("Library", "Application Support") if sys.platform == "darwin" else (".local", "share")
    return os.path.join(person.home, *tail)


def make_folder(path: str, person: Person) -> None:
    """Make a folder that only its user can read, and those above it. Raises StartError."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path:
            break
        path = parent
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
            give(folder, person)
        except FileExistsError:
            continue  # another process made it
        except OSError as error:
            raise make_refusal(error) from None


def make_refusal(error: OSError) -> StartError:
    """Return the error for a data folder that cannot be used."""
    hint = "set XDG_DATA_HOME to a folder that you can write, or use --tls-cert with a certificate of your own"
    kind = Unreadable if isinstance(error, PermissionError) else StartError
    return kind(f"cannot keep the local CA: {printable(describe(error))}; {hint}")


def give(path: str, person: Person) -> None:
    """Give a new file of root to the user who called sudo."""
    if os.geteuid() == 0 != person.uid:
        os.chown(path, person.uid, person.gid)


def write_whole(path: str, content: bytes, mode: int, person: Person) -> None:
    """Write a file so that a reader sees the old content or the new one. Raises OSError."""
    fd, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path))
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            give(temporary, person)
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
