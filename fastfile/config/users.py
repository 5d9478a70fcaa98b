"""Combine the users of --auth and --auth-file.

The supervisor reads the file before it gives up privileges: workers are confined to the site, and a file of hashes
must not be inside the site. SIGHUP reads it again, like every setting.
"""

from __future__ import annotations

import os
import stat

from fastfile.config.config import Config
from fastfile.config.passwords import USER, split_user
from fastfile.config.values import Unusable
from fastfile.errors import ConfigError
from fastfile.terminal import printable


def with_users(config: Config, root_path: str) -> Config:
    """Return the settings with the users of --auth-file added to those of --auth. Raises ConfigError."""
    if config.auth_file is None:
        users = config.auth
    else:
        for root in (root_path, *(folder for _, folder in config.mount)):
            if _is_beneath(config.auth_file, root, config.dotfiles or bool(config.dotfile)):
                raise _problem(config, f"the file is inside the served folder {printable(root)}: move it elsewhere")
        users = (*config.auth, *_read_users(config, config.auth_file))
        if not users:
            raise _problem(config, f"{printable(config.auth_file)} names no user")
    names: set[str] = set()
    for user in users:
        name = split_user(user)[0]
        if name in names:
            raise _problem(config, f"the user {printable(name)} is listed twice")
        names.add(name)
    return config.replace(auth=users)


def _read_users(config: Config, path: str) -> list[str]:
    try:
        lines = _read_regular_file(config, path).decode().splitlines()
    except OSError as error:
        raise _problem(config, f"{printable(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _problem(config, f"{printable(path)} is not UTF-8") from None
    users = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            users.append(str(USER.parse(line.strip())))
        except Unusable as error:
            raise _problem(config, f"{printable(path)} line {number}: {error}") from None
        except ValueError:
            raise _problem(config, f"{printable(path)} line {number}: expected USER:HASH") from None
    return users


def _read_regular_file(config: Config, path: str) -> bytes:
    """Return the content of a file; refuse a pipe, which could delay the start and not be read again."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _problem(config, f"{printable(path)} is not a regular file")
        return file.read()


def _is_beneath(path: str, root_path: str, dotfiles: bool) -> bool:
    """Tell whether a client could request the file. Names that begin with a dot are hidden without --dotfiles."""
    root, file = os.path.realpath(root_path), os.path.realpath(path)
    if not os.path.isdir(root) or not file.startswith(os.path.join(root, "")):
        return file == root
    hidden = any(part.startswith(".") for part in os.path.relpath(file, root).split(os.sep))
    return dotfiles or not hidden


def _problem(config: Config, problem: str) -> ConfigError:
    name = "auth" if config.auth_file is None else "auth_file"
    return ConfigError(f"--{name.replace('_', '-')}", config.source(name), problem)
