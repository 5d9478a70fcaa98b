"""``fastfile rollback``: make an earlier release the current one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastfile.cli.arguments import Usage
from fastfile.commands.releases.shared import (
    CREDENTIALS,
    JSON,
    KEEP_ASSETS,
    open_store,
    print_json,
    read_words,
    say,
    warn_of_races,
)
from fastfile.config.load import COMMAND_LINE
from fastfile.errors import ConfigError
from fastfile.releases.manifest import is_release_id
from fastfile.releases.rollback import rollback
from fastfile.terminal import printable, write

USAGE = Usage(
    """\
Usage: fastfile rollback [OPTIONS] LOCATION [ID]

Make an earlier release the current one: ID, or the release that the current one
replaced when it was published. Prints the id. You can publish afterwards as
usual. TIME is in days (30d), h, m or s.
""",
    (KEEP_ASSETS, JSON),
    conclusion=CREDENTIALS,
    is_list=True,
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    read = read_words(USAGE, argv)
    if read is None:
        return 0
    words, values = read
    release = words.pop() if len(words) == 2 else None
    store = open_store(words)
    if release is not None and not is_release_id(release):
        shown = printable(release)
        raise ConfigError("ID", COMMAND_LINE, f'expected an id as "fastfile releases" prints it, got "{shown}"')
    done = rollback(store, release, values["keep_assets"])
    warn_of_races("rollback", store, done.is_conditional)
    if values["json"]:
        print_json({"release": done.release, "before": done.before, "carried": done.carried})
        return 0
    if done.release == done.before:
        say("rollback", f"{done.release} is the current release already")
    else:
        carried = f"; {done.carried} of its assets stay reachable" if done.carried else ""
        say("rollback", f"replaced {done.before}{carried}")
    write(sys.stdout, f"{done.release}\n")
    return 0
