"""Parse a command line into texts by option, and make the text of ``--help``.

Knows argparse and the shape of an option; only --host and the folder are special.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NoReturn

from fastfile.cli.layout import columns, fit
from fastfile.config.load import COMMAND_LINE, parse_texts
from fastfile.config.nearest import closest
from fastfile.config.option import Option
from fastfile.config.values import maybe_switch
from fastfile.errors import ConfigError
from fastfile.http.authority import maybe_ipv4, maybe_ipv6
from fastfile.records import NamedTuple
from fastfile.terminal import WIDTH, printable

_HELP_COLUMN = 29
_FIRST_PLACE = "DIR"  # argparse's key of the positional argument: no option has this name

HELP = ("-h, --help", "Show this text.")


class Usage(NamedTuple):
    """The usage of one command. ``switches`` are flags that are not options, with their help.

    ``further`` are accepted options that other help texts describe; ``words`` are valid as its first argument. A number
    in place of DIR that is not the name of a folder or file sets the option ``number``. A command with ``is_list``
    takes any number of words, and gets them under ``words``.
    """

    introduction: str
    options: tuple[Option, ...]
    switches: tuple[tuple[str, str], ...] = (HELP,)
    conclusion: str = ""
    further: tuple[Option, ...] = ()
    words: tuple[str, ...] = ()
    number: str = ""
    is_list: bool = False

    @property
    def accepted(self) -> tuple[Option, ...]:
        """All options that the command accepts."""
        return self.options + self.further


def make_help(usage: Usage) -> str:
    """Return the text of ``--help`` for standard output: 80 columns wide, or as wide as a terminal that is narrower."""
    parts = [usage.introduction]
    for group in dict.fromkeys(option.group for option in usage.options):
        options = [option for option in usage.options if option.group == group]
        rows = "".join(_help_row(spelling(option), help_text(option)) for option in options)
        parts.append(f"{group}:\n{rows}")
    others = "".join(_help_row(*switch) for switch in usage.switches)
    parts.append(f"Other:\n{others}")
    text = "\n".join([*parts, usage.conclusion] if usage.conclusion else parts)
    return fit(text, columns(sys.stdout))


def parse_arguments(usage: Usage, argv: Sequence[str]) -> dict[str, list[str]]:
    """Return the texts of the command line by option name, and the given switches.

    Raises ConfigError. Values stay text: config/load.py parses the values of all sources in the same way.
    """
    bare = {option.flag: option for option in usage.accepted if option.bare}
    argv = _move_addresses(argv) if any(option.name == "bind" for option in usage.accepted) else argv
    joined = [f"{argument}={bare[argument].bare}" if argument in bare else argument for argument in argv]
    known, rest = _make_parser(usage).parse_known_args(joined)
    arguments: dict[str, list[str]] = vars(known)
    place = arguments.pop(_FIRST_PLACE, None)
    if arguments.keys() & {"h", "help", "version"}:
        return arguments
    for argument, following in pairwise(argv):
        if argument in bare:
            _check_joined(bare[argument], following)
    words = [*(place or ()), *(word for word in rest if not word.startswith("-"))]
    if unknown := [word for word in rest if word.startswith("-")]:
        raise _refuse(usage, printable(unknown[0].partition("=")[0]))
    for text in arguments.get("port", ()):
        if text.startswith("HTTP/"):  # -p is the protocol in http.server
            problem = "is a protocol, not a port: leave it out, because fastfile speaks HTTP/1.1, and HTTP/1.0 with old"
            raise ConfigError("--port", COMMAND_LINE, f'"{printable(text)}" {problem} clients')
    if usage.number and usage.number not in arguments and (numbers := list(filter(_is_number, words))):
        words.remove(numbers[0])
        arguments |= {usage.number: numbers[:1]}
    if usage.is_list:
        return arguments | {"words": words}
    if len(words) + ("directory" in arguments) > 1:
        raise _refuse(usage, printable(words[-1]))
    return arguments | {"directory": words} if words else arguments


def read_values(usage: Usage, arguments: dict[str, list[str]]) -> dict[str, Any]:
    """Return every option's value by name, for a command that reads only its command line."""
    return {
        option.name: parse_texts(option, arguments[option.name], COMMAND_LINE)
        if option.name in arguments
        else option.default
        for option in usage.options
    }


def _move_addresses(argv: Sequence[str]) -> list[str]:
    """Read an address after ``--host`` as one for ``--bind``: other servers have one option for both."""
    moved: list[str] = []
    for argument in argv:
        value = argument.removeprefix("--host=")
        if value != argument and (switch := maybe_switch(value)) is not None:
            moved.append("--host" if switch else "--no-host")
        elif value != argument:
            moved.append(f"--bind={value}")
        elif moved[-1:] == ["--host"] and _is_address(argument) and not os.path.exists(argument):
            moved[-1] = f"--bind={argument}"
        else:
            moved.append(argument)
    return moved


def _is_address(word: str) -> bool:
    text = word.strip("[]").encode("utf-8", "surrogateescape")
    return word == "localhost" or maybe_ipv4(text) is not None or maybe_ipv6(text) is not None


def _check_joined(option: Option, following: str) -> None:
    """Raise ConfigError if the next argument can only be the option's value, which must follow "="."""
    if following.startswith("-") or _is_number(following) or os.path.exists(following):
        return
    try:
        option.kind.parse(following)
    except ValueError:
        return
    shown = printable(following)
    problem = f'"{shown}" is not a folder or file; to give a value, write {option.flag}={shown}'
    raise ConfigError(option.flag, COMMAND_LINE, problem)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and not os.path.exists(word)


def _refuse(usage: Usage, word: str) -> ConfigError:
    """Make the error for an argument that the command does not accept."""
    if not word.startswith("-"):
        return ConfigError("DIR", COMMAND_LINE, f'expected one folder, but also got "{word}"')
    # Imported here: only a mistake needs it.
    from fastfile.cli.foreign import translate

    meant = translate(word)
    problem = f"no such option; {meant}" if meant else "no such option" + closest(word, _all_flags(usage))
    return ConfigError(word, COMMAND_LINE, problem)


class _Given(argparse.Action):
    """Store the positional argument; if it is left out, store nothing, not None as argparse does."""

    def __call__(self, parser: object, namespace: object, values: object, option_string: str | None = None) -> None:
        if values is not None:
            setattr(namespace, self.dest, [values])


class _Parser(argparse.ArgumentParser):
    """Raise ConfigError if argparse would print its own usage and exit."""

    by_flag: dict[str, Option]
    _formatter: argparse.HelpFormatter | None = None

    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse asks for one for every argument; with a width, it does not import shutil.
        if self._formatter is None:
            self._formatter = argparse.HelpFormatter(self.prog, width=WIDTH)
        return self._formatter

    def error(self, message: str) -> NoReturn:
        # Without types and choices, argparse has two errors: a missing value, and a value for a switch.
        flag = message.removeprefix("argument ").partition(":")[0].rpartition("/")[2]
        option = self.by_flag.get(flag)
        if option is None or option.is_switch:
            raise ConfigError(flag, COMMAND_LINE, "takes no value")
        raise ConfigError(flag, COMMAND_LINE, f"expected {option.kind.expected}, got nothing")


def _make_parser(usage: Usage) -> _Parser:
    parser = _Parser(
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.by_flag = {flags_of(option)[-1]: option for option in usage.accepted}
    for spelling, _ in usage.switches:
        parser.add_argument(*spelling.split(", "), action="store_const", const=[""])
    for option in usage.accepted:
        flags = flags_of(option)
        if option.name == "directory":
            parser.add_argument(_FIRST_PLACE, action=_Given, nargs="?")
            parser.add_argument(*flags, dest=option.name, action="append")
        elif option.is_switch:
            parser.add_argument(*flags, dest=option.name, action="store_const", const=["true"])
        else:
            parser.add_argument(*flags, dest=option.name, action="append")
        if option.off_text is not None:
            off = [option.off_text] if option.off_text else []
            parser.add_argument(f"--no-{option.key}", dest=option.name, action="store_const", const=off)
    return parser


def _all_flags(usage: Usage) -> list[str]:
    negations = [f"--no-{option.key}" for option in usage.accepted if option.off_text is not None]
    switches = [spelling.rpartition(", ")[2] for spelling, _ in usage.switches]
    return [*(flags_of(option)[-1] for option in usage.accepted), *negations, *switches]


def flags_of(option: Option) -> list[str]:
    """Return the spellings of an option on the command line."""
    long = "--directory" if option.name == "directory" else option.flag
    return [option.short, long] if option.short else [long]


def spelling(option: Option) -> str:
    """Return an option as help spells it: ``-p, --port N``."""
    if option.is_switch and option.default:
        return f"--[no-]{option.key}"
    if option.name == "directory":
        return f"[-d, --directory] {option.metavar}"
    flags = f"{option.short}, {option.flag}" if option.short else option.flag
    if option.bare:
        return f"{flags}[={option.metavar}]"
    return flags if option.is_switch else f"{flags} {option.metavar}"


def help_text(option: Option) -> str:
    """Return the help of an option, with its default in brackets."""
    return f"{option.help} [{option.shown_default}]" if option.shown_default and not option.is_switch else option.help


def _help_row(spelling: str, text: str) -> str:
    lines = textwrap.wrap(text, WIDTH - _HELP_COLUMN, break_on_hyphens=False)
    first = f"  {spelling:<{_HELP_COLUMN - 3}} {lines[0]}\n"
    return first + "".join(f"{'':{_HELP_COLUMN}}{line}\n" for line in lines[1:])
