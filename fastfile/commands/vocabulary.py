"""What may be typed after ``fastfile``: every command with its flags and their values, out of the tables.

The completions of all shells and the man page are made from it, so that none knows an option by itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from fastfile.cli.arguments import Usage, flags_of
from fastfile.cli.help import COMMANDS, USAGE
from fastfile.config.option import Option


class Flag(NamedTuple):
    """One flag. Its ``value`` is a metavar, empty for a switch; a ``joined`` one comes after ``=`` or not at all."""

    spellings: tuple[str, ...]
    help: str
    value: str = ""
    joined: bool = False
    words: tuple[str, ...] = ()
    names_file: bool = False
    repeatable: bool = False


class Command(NamedTuple):
    """One command, ``""`` for serving. ``first`` are words for its first place."""

    word: str
    summary: str
    usage: Usage
    flags: tuple[Flag, ...]
    first: tuple[str, ...]
    takes_folder: bool


def read_commands() -> list[Command]:
    """Return all commands, serving first."""
    usages = {"": USAGE} | {word: import_module(module).USAGE for word, module in COMMANDS.items()}
    return [
        Command(
            word,
            summarize(usage),
            usage,
            tuple(_read_flags(usage)),
            usage.words,
            any(option.name == "directory" for option in usage.accepted),
        )
        for word, usage in usages.items()
    ]


def summarize(usage: Usage) -> str:
    """Return the first sentence of what a command does, without its point."""
    return describe(usage).partition(". ")[0].removesuffix(".")


def describe(usage: Usage) -> str:
    """Return what a command does: its introduction without the lines of usage, in one line."""
    return " ".join(usage.introduction.partition("\n\n")[2].split())


def _read_flags(usage: Usage) -> list[Flag]:
    flags = []
    for option in usage.accepted:
        flags += _read_option(option)
    return flags + [Flag(tuple(spelling.split(", ")), text) for spelling, text in usage.switches]


def _read_option(option: Option) -> list[Flag]:
    spellings = tuple(flags_of(option))
    if option.is_switch:
        return [Flag(spellings, option.help), Flag((f"--no-{option.key}",), f"Not: {option.help}")]
    value = option.metavar.strip("'")
    kind = option.kind
    return [
        Flag(spellings, option.help, value, bool(option.bare), kind.words, kind.names_file, option.repeatable),
    ]
