"""The switch to another user after binding: a port below 1024 needs root, and serving files does not."""

from __future__ import annotations

import os

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.terminal import printable

NO_ID = 0xFFFFFFFF  # (gid_t)-1: no group has it


def drop_privileges(config: Config, root_path: str) -> None:
    """Switch to --user and --group permanently. Raises StartError if that fails or they may not read the root.

    The supervisor calls it before the first fork, so no worker ever has more privileges.
    """
    if config.user is None and config.group is None:
        return
    # Imported here, because only servers that change their user need it.
    import grp
    import pwd

    uid, gid, name = os.geteuid(), os.getegid(), None
    try:
        if config.user is not None:
            entry = pwd.getpwuid(int(config.user)) if config.user.isdecimal() else pwd.getpwnam(config.user)
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
    except (KeyError, ValueError, OverflowError):
        raise StartError(f"--user {printable(config.user or '')}: there is no such user") from None
    try:
        if config.group is not None:
            group = config.group
            gid = _parse_gid(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise StartError(f"--group {printable(config.group or '')}: there is no such group") from None
    _become(uid, gid, name)
    # The files of a folder that may be searched but not listed (mode 711) can be served.
    needed = os.X_OK if os.path.isdir(root_path) else os.R_OK
    if not os.access(root_path, needed):
        raise StartError(f"{printable(root_path)}: user {printable(name or str(uid))} has no permission to read it")


def _parse_gid(text: str) -> int:
    """Return a group by its number, which may be missing in the database. Raises ValueError."""
    if len(text) > 10 or int(text) >= NO_ID:
        raise ValueError(text)
    return int(text)


def _become(uid: int, gid: int, name: str | None) -> None:
    """Change the identity: groups first, because a process that is not root may not change them."""
    try:
        if name is None:
            os.setgroups([gid])
        else:
            os.initgroups(name, gid)
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError:
        raise StartError("--user and --group: only root can become another user") from None
    if uid == 0:
        return
    # setuid(2) by root sets the saved id too. If it did not (unusual capabilities), serving would not be safe.
    for regain in (os.setuid, os.seteuid, os.setgid):
        if regain is os.setgid and gid == 0:
            continue
        try:
            regain(0)
        except PermissionError:
            continue
        raise StartError("--user: the process could take root's privileges back")
