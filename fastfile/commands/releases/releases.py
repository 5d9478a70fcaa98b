"""``fastfile releases``: list the releases in a store."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastfile.cli.arguments import Usage
from fastfile.commands.releases.shared import (
    CREDENTIALS,
    JSON,
    open_store,
    print_json,
    read_words,
    say,
    show_time,
)
from fastfile.releases.history import read_history
from fastfile.releases.location import tell_unpublished
from fastfile.releases.manifest import Manifest
from fastfile.terminal import show_size, write

USAGE = Usage(
    """\
Usage: fastfile releases [OPTIONS] LOCATION

List the releases in a store, oldest first: id, time, files, size. An asterisk
marks the current one.
""",
    (JSON,),
    conclusion=CREDENTIALS,
    is_list=True,
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    read = read_words(USAGE, argv)
    if read is None:
        return 0
    store = open_store(read[0])
    history = read_history(store)
    current = history.pointer.release if history.pointer else None
    rows = [_Row(release, release.id == current) for release in history.releases]
    say("releases", *history.damage)
    if read[1]["json"]:
        print_json([row.as_fields() for row in rows])
        return 0
    if not rows and not history.damage:
        say("releases", tell_unpublished(store.location))
    write(sys.stdout, "".join(map(str, rows)))
    return 0


class _Row:
    """One release of the list."""

    def __init__(self, release: Manifest, is_current: bool) -> None:
        own = [file for file in release.files if file.carried_until_s is None]
        self._release = release
        self._is_current = is_current
        self._files = len(own)
        self._size = sum(file.size for file in own)

    def as_fields(self) -> dict[str, object]:
        """Return the values for JSON."""
        return {
            "release": self._release.id,
            "created": show_time(self._release.created_s),
            "files": self._files,
            "size": self._size,
            "carried": len(self._release.files) - self._files,
            "previous": self._release.previous,
            "current": self._is_current,
        }

    def __str__(self) -> str:
        mark = "*" if self._is_current else " "
        time, size = show_time(self._release.created_s), show_size(self._size)
        return f"{mark} {self._release.id}  {time}  {self._files:>7} files  {size:>10}\n"
