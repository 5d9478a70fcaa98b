"""The sandbox of a worker: Landlock and a system call filter, so that a bug in fastfile can read only the site.

The worker enters Landlock when everything is open: the log, the listening socket, the loop. It cannot read its own
modules afterwards, so rehearse() imports what would be imported later. Linux 5.13 and newer; other systems have no
sandbox.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.server.confinement.seccomp import deny_calls, why_unavailable
from fastfile.storage.root import Root

if TYPE_CHECKING:
    import ctypes

# landlock(7) and linux/landlock.h; the numbers are the same on every architecture added to Linux since 2019.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_QUERY_VERSION = 1
_RULE_PATH_BENEATH = 1
_EXECUTE = 1 << 0
_READ = 1 << 2 | 1 << 3  # READ_FILE and READ_DIR
# Write and truncate, remove files and folders, make folders, files and symbolic links, move and link between folders.
_WRITE = 1 << 1 | 1 << 14 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13
# The number of file system rights in each ABI: all are taken away, and only reading is given back.
_FS_RIGHTS = (0, 13, 14, 15, 15)  # from ABI 5 on: 16
_BIND_TCP = 1 << 0
_NO_TCP = 1 << 0 | 1 << 1  # from ABI 4 on: bind and connect; accept still works
_NO_REACHING_OUT = 1 << 0 | 1 << 1  # from ABI 6 on: abstract Unix sockets and signals of outside processes
_PR_SET_NO_NEW_PRIVS = 38
PASSWORD_FILE = "/etc/passwd"
FIRST_PERSON = 1000  # UID_MIN of login.defs: lower accounts are those of services


def landlock_abi() -> int:
    """Return the version of Landlock that this kernel offers; 0 if it offers none."""
    try:
        return max(0, _libc().syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)) if sys.platform == "linux" else 0
    except ImportError:  # a Python without libffi
        return 0


def describe(abi: int, problem: str = "") -> str:
    """Describe the sandbox for --version and the banner; ``problem`` says why there is no filter."""
    if not abi:
        return "no sandbox: this system has no Landlock"
    return f"sandbox: Landlock ABI {abi}" + (f", no filter: {problem}" if problem else " and seccomp")


def describe_system() -> str:
    """Return the sandbox that this system offers."""
    return describe(landlock_abi(), why_unavailable())


def filter_calls(config: Config) -> str:
    """Deny this process the system calls that no worker needs, if --sandbox is on; return why that failed.

    Called before the event loop is made, because libuv would make an io_uring, which evades the filter.
    """
    if config.sandbox == "off" or config.follow_symlinks or not landlock_abi():
        return ""
    problem = why_unavailable()
    if not problem:
        try:
            deny_calls()
        except OSError as error:
            problem = f"seccomp: {error.strerror}"
    if problem and config.sandbox == "require":
        raise StartError(f"--sandbox require: {problem}")
    return problem


def enter_sandbox(config: Config, roots: Sequence[Root], filter_problem: str = "") -> str:
    """Give up this process's rights permanently, as --sandbox says; return the description for the banner.

    ``filter_problem`` is the result of filter_calls(). Raises StartError if a sandbox is required and impossible.
    """
    if config.sandbox == "off":
        return "no sandbox: --sandbox off"
    if config.follow_symlinks:  # links may lead anywhere, so no folder contains all of their targets
        return "no sandbox: --follow-symlinks"
    abi = landlock_abi()
    problem = "this system has no Landlock"
    if abi:
        try:
            restrict(abi, ~0, _NO_TCP, dict.fromkeys(set().union(*map(readable_folders, roots)), _READ))
        except OSError as error:  # for example after sixteen nested sandboxes
            problem = f"Landlock: {error.strerror}"
        else:
            return describe(abi, filter_problem)
    if config.sandbox == "require":
        raise StartError(f"--sandbox require: {problem}")
    return f"no sandbox: {problem}"


def readable_folders(root: Root) -> set[bytes]:
    """Return the folders beneath which a worker must be able to read: the root, and where its successors appear.

    A rule applies to an inode, and a rebuilt root is another inode; so is a release that a link is switched to. Both
    appear in the folder of the current one, so that folder is the least that allows serving the very next request from
    the new root: the root's parent, and the parent of the target of each link in its path. A parent that is or contains
    a home is too much: then only the root is allowed, and when the root is replaced the worker is replaced too
    (Root.on_lost).
    """
    path = os.path.realpath(root.path)
    folders = {path}
    if root.only is not None:  # it may be a link
        folders.add(os.path.dirname(os.path.realpath(root.absolute(root.only))))
    else:
        prefix = root.path
        parents = {os.path.dirname(path)}
        while len(prefix) > 1:
            if os.path.islink(prefix):
                parents.add(os.path.dirname(os.path.realpath(prefix)))
            prefix = os.path.dirname(prefix)
        homes = find_homes(folders | parents)
        folders |= {parent for parent in parents if all(os.path.commonpath((parent, home)) != parent for home in homes)}
    return folders


def find_homes(folders: Iterable[bytes]) -> set[bytes]:
    """Return the homes of this process's user, of the owners of the folders, and of personal accounts.

    Under sudo or systemd, $HOME is another user's or unset, so this also reads the password database.
    """
    import pwd

    homes = {os.environ.get("HOME", "")}
    owners = {os.geteuid()}
    for folder in folders:
        with contextlib.suppress(OSError):
            owners.add(os.stat(folder).st_uid)
    for owner in owners:
        with contextlib.suppress(KeyError):
            homes.add(pwd.getpwuid(owner).pw_dir)
    with contextlib.suppress(OSError), open(PASSWORD_FILE, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split(":")
            if len(fields) > 5 and fields[2].isdecimal() and int(fields[2]) >= FIRST_PERSON:
                homes.add(fields[5])
    return {os.path.realpath(os.fsencode(home)) for home in homes if home.startswith("/")}


def rehearse() -> None:
    """Run code once that opens files at its first use: tracebacks, the local time zone, libraries of ctypes.

    The supervisor calls this while it may still open anything: its workers may not, nor may the user of --user.
    """
    traceback.format_stack()
    traceback.format_exception(RuntimeError())
    time.localtime()
    describe_system()


def confine_writing(folder: bytes) -> str:
    """Let this process write only beneath a folder, and accept no connections; return a description."""
    abi = landlock_abi()
    if abi < 2:  # version 1 allows no links between folders
        return "no sandbox: this system has no Landlock" if not abi else "no sandbox: Landlock ABI 1 allows no links"
    try:
        restrict(abi, ~(_READ | _EXECUTE), _BIND_TCP, {folder: _WRITE})
    except OSError as error:
        return f"no sandbox: Landlock: {error.strerror}"
    return f"sandbox: Landlock ABI {abi}"


def restrict(abi: int, taken: int, taken_tcp: int, given: Mapping[bytes, int]) -> None:
    """Take rights to files and TCP away from this process, but those given beneath folders. Raises OSError."""
    libc = _libc()
    rights = ((1 << (_FS_RIGHTS[abi] if abi < len(_FS_RIGHTS) else 16)) - 1) & taken
    attributes = struct.pack("=QQQ", rights, taken_tcp, _NO_REACHING_OUT)
    attributes = attributes[: 8 if abi < 4 else 16 if abi < 6 else 24]  # older kernels have a shorter structure
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for folder, kept in given.items():
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", kept & rights, fd)
                _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0))
            finally:
                os.close(fd)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _libc() -> ctypes.CDLL:
    # Imported here: it takes 2 ms and 0.5 MB, which only a server needs.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _checked(result: int) -> int:
    if result < 0:
        import ctypes

        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
