"""``fastfile publish``: put a folder into a store as a new release, and make it the current one."""

from __future__ import annotations

import os
import sys
import time
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
from fastfile.config.config import BY_NAME, Config
from fastfile.config.folder import resolve_clear_directory
from fastfile.config.load import COMMAND_LINE
from fastfile.config.option import Option
from fastfile.config.values import SWITCH
from fastfile.errors import ConfigError, StartError
from fastfile.progress import Progress
from fastfile.releases.build import Build
from fastfile.releases.location import Location, is_location
from fastfile.releases.publish import Published, publish
from fastfile.storage.root import PinnedRoot, Root
from fastfile.terminal import printable, show_size, write

_MAX_SKIPPED = 3  # that are named
_DIRECTORY = BY_NAME["directory"]._replace(
    group="What is published", help="Folder; without it, the build folder that has an index file, such as dist."
)
_CONTENT = {
    "dotfiles": "Publish names that begin with a dot. Servers need --dotfiles too.",
    "dotfile": "Publish this dot file or folder, such as .zgroup. Repeat it for more.",
    "follow_symlinks": "Publish the targets of symbolic links that lead outside the folder.",
}
_VERIFY = Option(
    group="Uploads",
    name="verify",
    kind=SWITCH,
    default=False,
    help="Download the contents that the new release reuses, and upload damaged ones again.",
)

USAGE = Usage(
    """\
Usage: fastfile publish [OPTIONS] [DIR] LOCATION

Publish a folder as a new release, and make it the current one. Uploads what the
store lacks; servers that follow LOCATION switch when all is there. Prints the
id of the release. Leaves out names that begin with a dot (except .well-known),
links that lead outside the folder, and anything but regular files. Defaults are
in brackets; TIME is in days (30d), or with h, m or s.
""",
    (
        _DIRECTORY,
        *(BY_NAME[name]._replace(group="What is published", help=text) for name, text in _CONTENT.items()),
        KEEP_ASSETS,
        _VERIFY,
        JSON,
    ),
    conclusion=f"""\
Examples:
  fastfile publish dist s3://bucket/site
  fastfile publish file:///srv/site
  fastfile s3://bucket/site                 serve it, on any number of machines

{CREDENTIALS}""",
    is_list=True,
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status. Raises ConfigError and StartError."""
    read = read_words(USAGE, argv)
    if read is None:
        return 0
    words, values = read
    folders = [*filter(None, [values["directory"]]), *(word for word in words if not is_location(word))]
    # `publish dist /srv/site`: the error is about the place, which is no location.
    store = open_store([word for word in words if is_location(word)] or folders[1:])
    if len(folders) > 1:
        given = " and ".join(f'"{printable(folder)}"' for folder in folders)
        raise ConfigError("DIR", COMMAND_LINE, f"expected one folder, got {given}")
    directory = _find_folder(folders)
    _check_apart(store.location, directory)
    root = Root(os.fsencode(directory), values["follow_symlinks"])
    build = Build(PinnedRoot(root), values["dotfiles"], frozenset(map(os.fsencode, values["dotfile"])))
    progress = Progress(sys.stderr)
    began_s = time.monotonic()
    try:
        published = publish(store, build, values["keep_assets"], progress, values["verify"])
    except KeyboardInterrupt:
        progress.clear()
        say("publish", "interrupted: nothing that is served has changed; the next publish continues this one")
        raise
    finally:
        progress.clear()
    warn_of_races("publish", store, published.is_conditional)
    first = f"; the first release of {store.location}" if published.is_first else ""  # it may be mistyped
    _report(build, published, first, time.monotonic() - began_s, values["json"])
    return 0


def _find_folder(folders: Sequence[str]) -> str:
    directory = folders[0] if folders else resolve_clear_directory(Config())
    if not folders and directory == ".":
        # A checkout is not a site: it has sources, and perhaps secrets.
        raise ConfigError("DIR", COMMAND_LINE, "name the folder: there is no build folder here")
    if not os.path.isdir(directory):
        raise StartError(f"{printable(directory)}: no such folder")
    if not folders:
        say("publish", f"publishing {printable(directory)}")
    return directory


def _check_apart(location: Location, directory: str) -> None:
    """Raise StartError if the store is in the folder: it would be published, and change meanwhile."""
    if location.scheme == "file":
        folder = os.path.realpath(directory)
        if os.path.commonpath([folder, os.path.realpath(location.root)]) == folder:
            raise StartError(
                f"{location} is inside {printable(directory)}, the folder to publish: use a store outside it"
            )


def _report(build: Build, published: Published, first: str, took_s: float, as_json: bool) -> None:
    if build.skipped:
        names = ", ".join(printable(os.fsdecode(path)) for path in build.skipped[:_MAX_SKIPPED])
        more = ", ..." if build.skipped[_MAX_SKIPPED:] else ""
        say("publish", f"left out, because they lead outside or are not regular files: {names}{more}")
    if published.damage:
        say("publish", f"{published.damage}; published without the assets and times of that release")
    if published.damaged:
        say("publish", f"damaged in the store: {published.damaged}; those that the folder has were uploaded again")
    if as_json:
        print_json(
            {
                "release": published.release,
                "new": published.is_new,
                "files": published.files,
                "size": published.size,
                "carried": published.carried,
                "uploaded": published.uploaded_blobs,
                "uploaded_size": published.uploaded_size,
                "damaged": published.damaged,
                "seconds": round(took_s, 3),
            }
        )
        return
    did = "nothing changed"
    if published.is_new:
        did = f"uploaded {published.uploaded_blobs} ({show_size(published.uploaded_size)})"
    carried = f"; {published.carried} assets of earlier releases stay reachable" if published.carried else ""
    say("publish", f"{published.files} files ({show_size(published.size)}), {did} in {took_s:.1f} s{carried}{first}")
    write(sys.stdout, f"{published.release}\n")
