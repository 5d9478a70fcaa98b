"""The parts that all commands for releases use: the location argument, times with units, and texts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from fastfile.cli.arguments import Usage, make_help, parse_arguments, read_values
from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.config.values import SWITCH, Kind
from fastfile.errors import ConfigError
from fastfile.releases.location import open_store as open_location
from fastfile.releases.location import parse_location
from fastfile.releases.store import Store
from fastfile.terminal import printable, write

DAY_S = 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S}
_LONGEST_S = 3650 * DAY_S


def _parse_age(text: str) -> int:
    count, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    if not (count.isascii() and count.isdigit()) or len(count) > 12 or int(count) * _UNITS[unit] > _LONGEST_S:
        raise ValueError(text)
    return int(count) * _UNITS[unit]


def _show_age(value: int) -> str:
    unit = next((unit for unit in "dhm" if value and value % _UNITS[unit] == 0), "s")
    return f"{value // _UNITS[unit]}{unit}" if value else "0"


AGE = Kind("a time up to 3650d (a number with d, h, m or s, or 0)", _parse_age, _show_age)
JSON = Option(group="Output", name="json", kind=SWITCH, default=False, help="Print the result as JSON.")
KEEP_ASSETS = Option(
    group="What stays reachable",
    name="keep_assets",
    kind=AGE,
    default=30 * DAY_S,
    metavar="TIME",
    help="Keep files that pages load, such as scripts, reachable for this time after a release without them: open "
    "tabs may still load them. Pages, documents and rule files are removed at once. 0 keeps no files.",
)
CREDENTIALS = """\
LOCATION is s3://BUCKET/PREFIX or file:///FOLDER. For s3://, credentials, region
and endpoint come from the standard places (AWS_ACCESS_KEY_ID, AWS_REGION,
AWS_ENDPOINT_URL_S3, AWS_PROFILE, instance roles); it needs the package obstore.
Exit status: 0 on success, 1 on failure, 2 for a wrong argument.
"""


def read_words(usage: Usage, argv: Sequence[str]) -> tuple[list[str], dict[str, Any]] | None:
    """Return the words and the options of a command; None when its help was printed. Raises ConfigError."""
    arguments = parse_arguments(usage, argv)
    if "help" in arguments or "h" in arguments:
        write(sys.stdout, make_help(usage))
        return None
    words = arguments.pop("words", [])
    return words, read_values(usage, arguments)


def open_store(words: Sequence[str]) -> Store:
    """Return the store of the only word. Raises ConfigError."""
    if len(words) != 1:
        got = f'"{printable(words[1])}" too' if words else "nothing"
        raise ConfigError("LOCATION", COMMAND_LINE, f"expected one location, got {got}")
    try:
        return open_location(parse_location(words[0]))
    except ValueError as error:
        got = "" if "@" in words[0] else f', got "{printable(words[0])}"'  # it may contain a secret
        raise ConfigError("LOCATION", COMMAND_LINE, f"{error}{got}") from None


def say(command: str, *lines: str) -> None:
    """Print lines for the user beside the result."""
    write(sys.stderr, "".join(f"fastfile {command}: {line}\n" for line in lines))


def print_json(content: object) -> None:
    """Print a value as one line of JSON."""
    write(sys.stdout, f"{json.dumps(content)}\n")


def warn_of_races(command: str, store: Store, is_conditional: bool) -> None:
    """Warn if the store has no conditional puts."""
    if not is_conditional:
        say(
            command,
            f"{store.location}: the store ignores If-Match, so two simultaneous publishers could overwrite each "
            "other's release; run one at a time",
        )


def show_time(time_s: float) -> str:
    """Return a time in UTC, in the form of ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))
