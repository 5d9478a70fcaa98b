"""Parse any command line with argparse. Knows the shape of an option; imported only if arguments.py cannot do it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.errors import ConfigError
from fastfile.terminal import WIDTH

_FIRST_PLACE = "DIR"  # argparse's key of the positional argument: no option has this name


def parse(
    options: Sequence[Option], switches: Sequence[Sequence[str]], argv: Sequence[str]
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Return the texts by option name, the words, and the unknown flags. Raises ConfigError.

    ``switches`` are the spellings of flags that are not options.
    """
    known, rest = _make_parser(options, switches).parse_known_args(argv)
    arguments: dict[str, list[str]] = vars(known)
    words = [*arguments.pop(_FIRST_PLACE, ()), *(word for word in rest if not word.startswith("-"))]
    return arguments, words, [word for word in rest if word.startswith("-")]


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


def _make_parser(options: Sequence[Option], switches: Sequence[Sequence[str]]) -> _Parser:
    parser = _Parser(
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.by_flag = {option.flags[-1]: option for option in options}
    for spellings in switches:
        parser.add_argument(*spellings, action="store_const", const=[""])
    for option in options:
        flags = option.flags
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
