"""``fastfile prune``: delete old releases from a store, and what no other release needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastfile.cli.arguments import Usage
from fastfile.commands.releases.shared import (
    AGE,
    CREDENTIALS,
    DAY_S,
    JSON,
    open_store,
    print_json,
    read_words,
    say,
)
from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.config.values import SWITCH, number
from fastfile.errors import ConfigError
from fastfile.releases.prune import Pruned, prune
from fastfile.terminal import printable, show_size, write

_WHAT = "What is deleted"
USAGE = Usage(
    """\
Usage: fastfile prune --keep N | --older-than TIME [OPTIONS] LOCATION

Delete old releases, and the contents that no other release needs. The current
release stays, and so does everything younger than the grace period. A prune
does not run while a publish does. TIME is in days (30d), h, m or s.
""",
    (
        Option(
            group=_WHAT,
            name="keep",
            kind=number(1, 100_000),
            default=None,
            metavar="N",
            help="Keep the last N releases.",
        ),
        Option(
            group=_WHAT,
            name="older_than",
            kind=AGE,
            default=None,
            metavar="TIME",
            help="Delete releases that are older. With --keep too, each release that either option keeps stays.",
        ),
        Option(
            group=_WHAT,
            name="grace",
            kind=AGE,
            default=DAY_S,
            metavar="TIME",
            help="Keep every object that was written within this time: a replica may still fetch it, and a publish "
            "that was interrupted may be continued.",
        ),
        Option(
            group=_WHAT,
            name="dry_run",
            kind=SWITCH,
            default=False,
            help="Print what would be deleted, and delete nothing.",
            short="-n",
        ),
        JSON,
    ),
    conclusion=CREDENTIALS,
    is_list=True,
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    read = read_words(USAGE, argv)
    if read is None:
        return 0
    words, values = read
    store = open_store(words)
    if values["keep"] is None and values["older_than"] is None:
        raise ConfigError("--keep", COMMAND_LINE, "expected --keep N or --older-than TIME, got neither")
    pruned = prune(store, values["keep"], values["older_than"], values["grace"], values["dry_run"])
    _report(pruned, values["dry_run"], values["json"])
    return 0


def _report(pruned: Pruned, is_dry: bool, as_json: bool) -> None:
    size = sum(one.size for one in pruned.objects)
    if as_json:
        keys = [one.key for one in pruned.objects]
        print_json({"releases": pruned.releases, "objects": keys, "size": size, "kept": pruned.kept, "dry_run": is_dry})
        return
    verb = "would delete" if is_dry else "deleted"
    lines = [f"{verb} {name}\n" for name in pruned.releases]
    if is_dry:
        lines += [f"{verb} {printable(one.key)}\n" for one in pruned.objects]
    write(sys.stdout, "".join(lines))
    deleted = f"{_count(len(pruned.releases), 'release')} and {_count(len(pruned.objects), 'object')}"
    young = f", {pruned.young} of them because they are younger than --grace" if pruned.young else ""
    stays = "stays" if pruned.kept == 1 else "stay"
    say("prune", f"{verb} {deleted} ({show_size(size)}); {_count(pruned.kept, 'release')} {stays}{young}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
