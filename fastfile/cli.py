"""The command line: from arguments to a running server, and from any failure to one line and an exit status.

0: served and stopped, or told what was asked; 1: could not start; 2: a wrong option. The server is imported after the
options are read, so that ``--help`` and a mistake are answered at once.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn, TextIO

from fastfile import __version__
from fastfile.config import COMMAND_LINE, Address, Config, closest, load, resolve_directory
from fastfile.errors import ConfigError, StartError
from fastfile.kinds import printable
from fastfile.options import BY_FLAG, OPTIONS, Option
from fastfile.users import with_users

INTRODUCTION = """\
Usage: fastfile [OPTIONS] [DIR]

Serve a folder over HTTP, to this machine only unless asked. Defaults are in
brackets. SIZE is in bytes, or with K, M or G; TIME in seconds, or with ms, s, m
or h.
"""

CONCLUSION = """\
Examples:
  fastfile                          serve ./dist, or what is like it
  fastfile --workers 4 ./dist       four processes
  fastfile --host --port 3000 .     to the local network
  fastfile --bind unix:/run/web.sock /srv/www
  FASTFILE_LOG_FORMAT=json fastfile

A switch is turned off again by --no-NAME. Each option is also an environment
variable (--log-file: FASTFILE_LOG_FILE) and a key (log-file) of fastfile.toml
or of [tool.fastfile] in pyproject.toml, both looked for in the current folder.
The command line goes first, then the environment, then the file.
"""

_HELP_COLUMN = 29
_WIDTH = 80
_FROM_COMMAND_LINE = f"from {COMMAND_LINE}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run fastfile with ``argv`` (by default the process's) and return its exit status."""
    _open_standard_descriptors()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        _write(sys.stderr, f"fastfile: {error}\n")
        return 2
    except StartError as error:
        _write(sys.stderr, f"fastfile: {error}\n")
    except OSError as error:
        where = f"{printable(str(error.filename))}: " if error.filename else ""
        _write(sys.stderr, f"fastfile: {where}{error.strerror or error}\n")
    except KeyboardInterrupt:
        return 130
    return 1


def make_help() -> str:
    """Return the text of ``--help``, for 80 columns."""
    parts = [INTRODUCTION]
    for group in dict.fromkeys(option.group for option in OPTIONS):
        rows = "".join(_help_row(_spelling(option), _help_text(option)) for option in OPTIONS if option.group == group)
        parts.append(f"{group}:\n{rows}")
    others = _help_row("-h, --help", "Show this text.") + _help_row("-V, --version", "Show the versions in use.")
    others += _help_row("--print-config", "Show every setting, its value and where it came from.")
    parts += [f"Other:\n{others}", CONCLUSION]
    return "\n".join(parts)


def make_version() -> str:
    """Return the text of ``--version``: what runs here, which kernels are compiled, and which sandbox there is."""
    from fastfile.server.sandbox import describe, landlock_abi

    parser, sendfile = kernels_compiled()
    python = ".".join(map(str, sys.version_info[:3]))
    uvloop = _uvloop_version()
    return (
        f"fastfile {__version__}\n"
        f"Python {python}, {f'uvloop {uvloop}' if uvloop else 'no uvloop'}\n"
        f"parser: {_compiled(parser)}, sendfile: {_compiled(sendfile)}\n"
        f"{describe(landlock_abi())}\n"
    )


def parse_arguments(argv: Sequence[str]) -> dict[str, list[str]]:
    """Return the texts of the command line by option name, with ``help`` and ``version`` where they were asked for.

    Raises ConfigError. Values stay text: config.py reads those of all sources alike.
    """
    parser = _make_parser()
    known, rest = parser.parse_known_args(argv)
    arguments: dict[str, list[str]] = vars(known)
    if not rest or "help" in arguments or "version" in arguments:
        return arguments
    word = printable(rest[0].partition("=")[0])
    if not word.startswith("-"):
        raise ConfigError("DIR", _FROM_COMMAND_LINE, f'expected one folder, got also "{word}"')
    raise ConfigError(word, _FROM_COMMAND_LINE, "no such option" + closest(word, _all_flags()))


def kernels_compiled() -> tuple[bool, bool]:
    """Return whether the parser and sendfile are the compiled ones."""
    from fastfile.parser import COMPILED as PARSER_COMPILED
    from fastfile.sendfile import COMPILED as SENDFILE_COMPILED

    return PARSER_COMPILED, SENDFILE_COMPILED


def _run(argv: Sequence[str]) -> int:
    arguments = parse_arguments(argv)
    if "help" in arguments or "version" in arguments:
        _write(sys.stdout, make_help() if "help" in arguments else make_version())
        return 0
    if "auth" in arguments:
        from fastfile.command_line import hide

        hide(arguments["auth"])
    environ = dict(os.environ)

    def read() -> tuple[Config, str]:
        config = load(arguments, environ)
        root_path = resolve_directory(config)
        return with_users(config, root_path), root_path

    if "print_config" in arguments:
        del arguments["print_config"]
        from fastfile.provenance import make_printout

        _write(sys.stdout, make_printout(load(arguments, environ)))
        return 0
    config, root_path = read()

    # All that is needed later too: another user, who --user makes of us, may not be able to read our modules.
    from fastfile import banner  # noqa: F401
    from fastfile.server.serve import serve

    if config.open:
        from fastfile.browser import open_browser

    def on_ready(addresses: Sequence[Address], notices: Sequence[str], sandbox: str) -> None:
        if config.open:
            notices = [*notices, *filter(None, [open_browser(config, addresses)])]
        if config.quiet:
            _write(sys.stderr, "".join(f"fastfile: {printable(notice)}\n" for notice in notices))
        else:
            announce(config, root_path, addresses, notices, sandbox)

    return serve(config, root_path, on_ready, reread=read)


def announce(
    config: Config, root_path: str, addresses: Sequence[Address], notices: Sequence[str], sandbox: str = ""
) -> None:
    """Print the banner, unless standard output is gone or nobody reads it: serving does not wait for that."""
    from fastfile.banner import Facts, lan_addresses, make_banner

    wildcard = any(host in ("", "0.0.0.0", "::") and not path for host, _, path in addresses)
    facts = Facts(
        root_path=os.getcwd() if root_path == "." else root_path,
        addresses=addresses,
        lan=lan_addresses() if wildcard else (),
        workers=config.workers,
        loop="uvloop" if config.loop != "asyncio" and _uvloop_version() else "asyncio",
        kernels=_describe_kernels(*kernels_compiled()),
        notices=notices,
        files=config.files,
        sandbox=sandbox,
    )
    stream = sys.stdout
    if _is_writable(stream):
        colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        _write(stream, make_banner(facts, colour))


class _Given(argparse.Action):
    """Keeps the one positional argument, and nothing where it is left out: argparse stores a None then."""

    def __call__(self, parser: object, namespace: object, values: object, option_string: str | None = None) -> None:
        if values is not None:
            setattr(namespace, self.dest, [values])


class _Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print its own usage and exit."""

    def error(self, message: str) -> NoReturn:
        # Without types and choices, argparse has two complaints: a value that is missing, and one that is too many.
        flag = message.removeprefix("argument ").partition(":")[0].rpartition("/")[2]
        option = BY_FLAG.get(flag.replace("--no-", "--", 1), BY_FLAG.get(flag))
        if option is None or option.negatable:
            raise ConfigError(flag, _FROM_COMMAND_LINE, "takes no value")
        raise ConfigError(flag, _FROM_COMMAND_LINE, f"expected {option.kind.expected}, got nothing")


def _make_parser() -> _Parser:
    parser = _Parser(
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        # argparse makes a formatter for every argument; with a width, it doesn't import shutil to ask the terminal.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=_WIDTH),
    )
    parser.add_argument("-h", "--help", action="store_const", const=[""])
    parser.add_argument("-V", "--version", action="store_const", const=[""])
    parser.add_argument("--print-config", action="store_const", const=[""])
    for option in OPTIONS:
        flags = [option.short, option.flag] if option.short else [option.flag]
        if option.name == "directory":
            parser.add_argument(option.name, action=_Given, nargs="?")
        elif option.negatable:
            parser.add_argument(*flags, dest=option.name, action="store_const", const=["true"])
            parser.add_argument(f"--no-{option.key}", dest=option.name, action="store_const", const=["false"])
        else:
            parser.add_argument(*flags, dest=option.name, action="append")
    return parser


def _all_flags() -> list[str]:
    negations = [f"--no-{option.key}" for option in OPTIONS if option.negatable]
    return [*BY_FLAG, *negations, "--help", "--version", "--print-config"]


def _spelling(option: Option) -> str:
    if option.negatable:
        return f"--[no-]{option.key}" if option.default else option.flag
    flags = f"{option.short}, {option.flag}" if option.short else option.flag
    return flags if option.name == "directory" else f"{flags} {option.metavar}"


def _help_text(option: Option) -> str:
    return f"{option.help} [{option.shown_default}]" if option.shown_default and not option.negatable else option.help


def _help_row(spelling: str, text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - _HELP_COLUMN)
    first = f"  {spelling:<{_HELP_COLUMN - 3}} {lines[0]}\n"
    return first + "".join(f"{'':{_HELP_COLUMN}}{line}\n" for line in lines[1:])


def _compiled(compiled: bool) -> str:
    return "compiled" if compiled else "pure Python"


def _describe_kernels(parser: bool, sendfile: bool) -> str:
    if parser and sendfile:
        return "compiled kernels"
    if parser or sendfile:
        return f"parser {_compiled(parser)}, sendfile {_compiled(sendfile)}: slower"
    if os.environ.get("FASTFILE_NO_EXTENSIONS", "") not in ("", "0"):
        return "pure Python kernels (FASTFILE_NO_EXTENSIONS is set): slower"
    return "pure Python kernels (no C compiler at install time): slower"


def _uvloop_version() -> str:
    """Return the version of uvloop, or an empty string where it cannot be used."""
    # Only an import tells whether it works: a build for another Python is found, but does not load.
    try:
        from uvloop._version import __version__ as version
    except ImportError:
        return ""
    return version


def _open_standard_descriptors() -> None:
    """Put /dev/null where a standard descriptor is closed: the next socket or file must not get its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, and those below are taken
            os.set_inheritable(descriptor, True)


def _is_writable(stream: TextIO | None) -> bool:
    """Tell whether a write of a page will not wait: a pipe that nobody reads must not hold up the server."""
    if stream is None or stream.closed:
        return False
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except OSError:
        return True  # not a descriptor: a stream of a test, say


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush; a stream that is closed or whose reader is gone is no failure of ours."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    if not encoding.lower().startswith("utf"):
        text = text.replace("·", "-").encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except ValueError:
        return
    except OSError:
        # What stays in the buffer would fail again, and be reported, when Python flushes it at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
