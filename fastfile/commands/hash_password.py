"""``fastfile hash-password``: ask for a password, and print the line of a user for --auth or --auth-file."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastfile.cli.arguments import Usage, make_help
from fastfile.config.load import COMMAND_LINE
from fastfile.config.passwords import make_hash, split_user
from fastfile.config.values import Unusable
from fastfile.errors import ConfigError, StartError
from fastfile.terminal import printable, write

USAGE = Usage(
    """\
Usage: fastfile hash-password [USER]

Read a password from the terminal, or a line from standard input, and print its
hash. With USER, print USER:HASH, the form that --auth and --auth-file expect.
""",
    (),
    conclusion="""\
Example:
  fastfile hash-password alice >> /etc/fastfile.users
""",
)


def main(argv: Sequence[str]) -> int:
    """Print the hash of a password. Raises ConfigError for a wrong argument, StartError for a wrong password."""
    if argv and argv[0] in ("-h", "--help"):
        write(sys.stdout, make_help(USAGE))
        return 0
    user = argv[0] if argv else None
    if len(argv) > 1 or (user is not None and not _is_user(user)):
        word = printable(argv[-1])
        raise ConfigError("USER", COMMAND_LINE, f'expected one name without a colon, got "{word}"')
    try:
        hashed = make_hash(_read_password().encode("utf-8", "surrogateescape"))
    except Unusable as error:
        raise StartError(str(error)) from None
    write(sys.stdout, f"{hashed}\n" if user is None else f"{user}:{hashed}\n")
    return 0


def _is_user(name: str) -> bool:
    try:
        return not name.startswith("-") and split_user(f"{name}:$")[0] == name
    except ValueError:
        return False


def _read_password() -> str:
    """Return a password that a client can send: without control characters (RFC 7617 §2)."""
    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass("Password: ")
        if password != getpass("Password again: "):
            raise StartError("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise StartError("expected a password, got nothing")
    if any(c < " " or c == "\x7f" for c in password):
        raise StartError("a password cannot have control characters")
    return password
