"""Every command of fastfile, with its flags and their values, for completions and the manual page."""

from __future__ import annotations

from importlib import import_module

from fastfile.cli.arguments import Usage
from fastfile.cli.help import COMMANDS, USAGE
from fastfile.config.option import Option
from fastfile.records import NamedTuple


class Flag(NamedTuple):
    """One flag. ``value`` is a metavar, empty for a switch; a ``joined`` value follows ``=`` and may be left out."""

    spellings: tuple[str, ...]
    help: str
    value: str = ""
    joined: bool = False
    words: tuple[str, ...] = ()
    names_file: bool = False
    repeatable: bool = False


class Command(NamedTuple):
    """One command; ``""`` is serving. ``first`` are valid words for its first argument."""

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
    """Return the first sentence of a command's description, without the full stop."""
    return describe(usage).partition(". ")[0].removesuffix(".")


def describe(usage: Usage) -> str:
    """Return a command's description in one line: its introduction without the usage."""
    return " ".join(usage.introduction.partition("\n\n")[2].split())


def _read_flags(usage: Usage) -> list[Flag]:
    flags = []
    for option in usage.accepted:
        flags += _read_option(option)
    return flags + [Flag(tuple(spelling.split(", ")), text) for spelling, text in usage.switches]


def _read_option(option: Option) -> list[Flag]:
    spellings = tuple(option.flags)
    if option.is_switch:
        return [Flag(spellings, option.help), Flag((f"--no-{option.key}",), f"Not: {option.help}")]
    value = option.metavar.strip("'")
    kind = option.kind
    return [
        Flag(spellings, option.help, value, bool(option.bare), kind.words, kind.names_file, option.repeatable),
    ]
