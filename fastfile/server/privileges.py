"""Another user after the bind: a port below 1024 needs root, and serving files does not."""

from __future__ import annotations

import os

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.terminal import printable


def drop_privileges(config: Config, root_path: str) -> None:
    """Become --user and --group for good. Raises StartError when that cannot be, or when they may not read the root.

    For the supervisor, before the first fork: so a worker never has more, and neither has who replaces it.
    """
    if config.user is None and config.group is None:
        return
    # Imported here: only who gives a name pays for it.
    import grp
    import pwd

    uid, gid, name = os.geteuid(), os.getegid(), None
    try:
        if config.user is not None:
            entry = pwd.getpwuid(int(config.user)) if config.user.isdecimal() else pwd.getpwnam(config.user)
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
    except KeyError:
        raise StartError(f"--user {printable(config.user or '')}: there is no such user") from None
    try:
        if config.group is not None:
            group = config.group
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(f"--group {printable(config.group or '')}: there is no such group") from None
    _become(uid, gid, name)
    # A folder that may be searched and not listed (mode 711) has files that can be served.
    needed = os.X_OK if os.path.isdir(root_path) else os.R_OK
    if not os.access(root_path, needed):
        raise StartError(f"{printable(root_path)}: user {printable(name or str(uid))} has no permission to read it")


def _become(uid: int, gid: int, name: str | None) -> None:
    """Take on the identity: groups first, since who is no longer root may change none of them."""
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
    # setuid(2) by root sets the saved id too. Where it did not (odd capabilities), serving would be a false promise.
    for regain in (os.setuid, os.seteuid, os.setgid):
        if regain is os.setgid and gid == 0:
            continue
        try:
            regain(0)
        except PermissionError:
            continue
        raise StartError("--user: the privileges of root could be taken back")
