"""Options: the dev loop, for a site that is being made."""

from __future__ import annotations

from typing import ClassVar

from fastfile.config.option import OptionGroup, option
from fastfile.config.values import COMMAND, SWITCH


class DevOptions(OptionGroup):
    """Options for developing a site."""

    TITLE: ClassVar = "Development"

    live: bool = option(
        SWITCH,
        default=False,
        help="Reload open pages when their files change; style sheets and images are swapped in place. For "
        "development, with one worker.",
    )
    run: str | None = option(
        COMMAND,
        metavar="CMD",
        help="Run this command beside the server, such as 'npm run build -- --watch'. It ends with the server.",
    )
    qr: bool = option(
        SWITCH, default=False, help="Print the URL for the local network as a QR code, for your phone; with --host."
    )
    watch_poll: bool = option(
        SWITCH,
        default=False,
        help="Make --live poll all files, for file systems that do not report changes.",
    )
