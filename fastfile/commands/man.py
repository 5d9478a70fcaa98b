"""``fastfile man``: print the manual page, in the macros of man(7), made from the same tables as --help.

argparse-manpage supports no commands beside an optional folder, no environment variables and no files, so those parts
would be written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastfile import __version__
from fastfile.cli.arguments import Usage, help_text, make_help, spelling
from fastfile.commands.vocabulary import Command, describe, read_commands
from fastfile.config.config import OPTIONS
from fastfile.config.load import COMMAND_LINE
from fastfile.errors import ConfigError
from fastfile.terminal import printable, write

USAGE = Usage(
    """\
Usage: fastfile man

Print the manual page of fastfile.
""",
    (),
    conclusion="""\
Examples:
  fastfile man | man -l -
  fastfile man > ~/.local/share/man/man1/fastfile.1
""",
)
_FILES = """\
.SH FILES
.TP
.I fastfile.toml
Settings for the current folder. A key is the name of an option without its dashes.
.TP
.I pyproject.toml
Its table [tool.fastfile] has the same keys. It is read where there is no fastfile.toml.
.TP
.IR _redirects ", " _headers ", " serve.json
Rules in the served folder. They are applied, and not served as files.
.TP
.I ~/.local/share/fastfile
The local CA and its certificates. If $XDG_DATA_HOME is set, they are there; on macOS, in ~/Library/Application Support.
"""
_END = """\
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Finish the requests in flight, then stop.
.TP
.B SIGHUP
Reload the settings; or stop, if the server was started from a terminal.
.TP
.B SIGUSR1
Reopen the logs.
.SH EXIT STATUS
0: served and stopped, or printed what was asked for. 1: could not start. 2: a wrong option.
"""


def main(argv: Sequence[str]) -> int:
    """Print the page. Raises ConfigError for any argument but --help."""
    if argv and argv[0] not in ("-h", "--help"):
        raise ConfigError(printable(argv[0]), COMMAND_LINE, "man takes no argument")
    write(sys.stdout, make_help(USAGE) if argv else make_page(read_commands()))
    return 0


def make_page(commands: Sequence[Command]) -> str:
    """Return the page in roff."""
    serving, *named = commands
    synopsis = "\n.br\n".join(_roff(line) for line in _usage_lines(serving.usage))
    parts = [
        f'.TH FASTFILE 1 "" "fastfile {__version__}" "User Commands"\n',
        f".SH NAME\nfastfile \\- {_roff(serving.summary[:1].lower() + serving.summary[1:])}\n",
        f".SH SYNOPSIS\n.nh\n.ad l\n{synopsis}\n.hy\n",
        f".SH DESCRIPTION\n{_roff(describe(serving.usage))}\n",
        f".SH OPTIONS\n{_options(serving.usage)}",
        ".SH COMMANDS\n",
        *(f".SS {_roff(' '.join(_usage_lines(command.usage)))}\n{_command(command.usage)}" for command in named),
        ".SH ENVIRONMENT\nEach option has a variable. The command line overrides it, and it overrides the file.\n",
        *(f".TP\n.B {_roff(option.variable)}\n{_roff(option.flag)}\n" for option in OPTIONS),
        ".TP\n.B NO_COLOR, FORCE_COLOR\nPrint without colours, or with them also where the output is no terminal.\n",
        _FILES,
        _END,
        _conclusion(".SH EXAMPLES", serving.usage),
    ]
    return "".join(parts)


def _usage_lines(usage: Usage) -> list[str]:
    head = usage.introduction.partition("\n\n")[0]
    return [line.removeprefix("Usage:").strip() for line in head.splitlines()]


def _command(usage: Usage) -> str:
    return f"{_roff(describe(usage))}\n{_options(usage)}{_conclusion('.PP', usage)}"


def _options(usage: Usage) -> str:
    parts = []
    for group in dict.fromkeys(option.group for option in usage.options):
        parts.append(f".PP\n.I {_roff(group)}\n")
        parts += [_entry(spelling(option), help_text(option)) for option in usage.options if option.group == group]
    parts += [".PP\n.I Other\n"] if usage.options else []
    return "".join([*parts, *(_entry(*switch) for switch in usage.switches)])


def _entry(term: str, text: str) -> str:
    return f".TP\n.B {_roff(term)}\n{_roff(text)}\n"


def _conclusion(macro: str, usage: Usage) -> str:
    """Return the examples line by line, as in the help."""
    if not usage.conclusion:
        return ""
    lines = "".join(f"{_roff(line)}\n" if line else ".sp\n" for line in usage.conclusion.splitlines())
    return f"{macro}\n.nf\n{lines}.fi\n"


def _roff(text: str) -> str:
    """Return the text with the special characters of roff escaped: backslashes, dashes, and a leading dot."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("…", "...")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
