"""Parse a command line into texts by option, and make the text of ``--help``.

Knows the shape of an option; only --host and the folder are special. A command line of long spellings is parsed here,
any other by argparse (parser.py).
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

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

# The texts by option name, the words, and the unknown flags.
Parsed = tuple[dict[str, list[str]], list[str], list[str]]
HELP = ("-h, --help", "Show this text.")


class Usage(NamedTuple):
    """The usage of one command. ``switches`` are flags that are not options, with their help.

    ``further`` are accepted options that other help texts describe; ``words`` are valid as its first argument. A number
    in place of DIR that is not the name of a folder or file sets the option ``number``. A command with ``is_list``
    takes any number of words, and gets them under ``words``. ``commands`` are valid before DIR.
    """

    introduction: str
    options: tuple[Option, ...]
    switches: tuple[tuple[str, str], ...] = (HELP,)
    conclusion: str = ""
    further: tuple[Option, ...] = ()
    words: tuple[str, ...] = ()
    number: str = ""
    is_list: bool = False
    commands: tuple[str, ...] = ()

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
    for bind in (option for option in usage.accepted if option.name == "bind"):
        argv = _move_addresses(argv, bind)
    joined = [f"{argument}={bare[argument].bare}" if argument in bare else argument for argument in argv]
    arguments, words, unknown = maybe_parse(usage, joined) or parse_any(usage, joined)
    if arguments.keys() & {"h", "help", "version"}:
        return arguments
    for argument, following in pairwise(argv):
        if argument in bare:
            _check_joined(bare[argument], following)
    if unknown:
        raise _refuse_option(usage, printable(unknown[0].partition("=")[0]))
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
        raise _refuse_words(usage, [*arguments.get("directory", ()), *words])
    return arguments | {"directory": words} if words else arguments


def maybe_parse(usage: Usage, argv: Sequence[str]) -> Parsed | None:
    """Parse a command line of words, ``FLAG``, ``FLAG VALUE`` and ``--NAME=VALUE``; None if it has anything else.

    To import argparse, and to tell it all options, would take a twentieth of the time of a start.
    """
    options = {flag: option for option in usage.accepted for flag in option.flags}
    texts: dict[str, list[str]] = {}
    words = []
    arguments = iter(argv)
    for argument in arguments:
        if not argument.startswith("-"):
            words.append(argument)
            continue
        flag, equals, value = argument.partition("=")
        option = options.get(flag)
        if option is None or (equals and (option.is_switch or not flag.startswith("--"))):
            return None
        if option.is_switch:
            texts[option.name] = ["true"]
            continue
        if not equals:
            value = next(arguments, "-")
            if value.startswith("-"):
                return None
        texts.setdefault(option.name, []).append(value)
    return texts, words, []


def parse_any(usage: Usage, argv: Sequence[str]) -> Parsed:
    """Parse a command line with argparse."""
    # Imported here: few command lines need it.
    from fastfile.cli.parser import parse

    return parse(usage.accepted, [spelling.split(", ") for spelling, _ in usage.switches], argv)


def read_values(usage: Usage, arguments: dict[str, list[str]]) -> dict[str, Any]:
    """Return every option's value by name, for a command that reads only its command line."""
    return {
        option.name: parse_texts(option, arguments[option.name], COMMAND_LINE)
        if option.name in arguments
        else option.default
        for option in usage.options
    }


def _move_addresses(argv: Sequence[str], bind: Option) -> list[str]:
    """Read an address after ``--host`` as one for ``--bind``: other servers have one option for both.

    Raises ConfigError.
    """
    moved: list[str] = []
    for argument in argv:
        value = argument.removeprefix("--host=")
        if value != argument and (switch := maybe_switch(value)) is not None:
            moved.append("--host" if switch else "--no-host")
        elif value != argument:
            parse_texts(bind._replace(name="host"), [value], COMMAND_LINE)  # a mistake names the option that was given
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


def _refuse_words(usage: Usage, words: Sequence[str]) -> ConfigError:
    """Make the error for more than one folder: the first may be a misspelled command, or one behind options."""
    if words[0] in usage.commands and not os.path.exists(words[0]):
        meant = f"; write a command before all options: fastfile {words[0]}"
    else:
        meant = "" if os.path.exists(words[0]) else closest(words[0], usage.commands)
    given = " and ".join(f'"{printable(word)}"' for word in words)
    return ConfigError("DIR", COMMAND_LINE, f"expected one folder, got {given}{meant}")


def _refuse_option(usage: Usage, word: str) -> ConfigError:
    """Make the error for an option that the command does not accept."""
    # Imported here: only a mistake needs it.
    from fastfile.cli.foreign import translate

    meant = translate(word)
    problem = f"no such option; {meant}" if meant else "no such option" + closest(word, _all_flags(usage))
    return ConfigError(word, COMMAND_LINE, problem)


def _all_flags(usage: Usage) -> list[str]:
    negations = [f"--no-{option.key}" for option in usage.accepted if option.off_text is not None]
    switches = [spelling.rpartition(", ")[2] for spelling, _ in usage.switches]
    return [*(option.flags[-1] for option in usage.accepted), *negations, *switches]


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
