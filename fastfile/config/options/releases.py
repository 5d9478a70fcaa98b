"""Options: releases in a store, and how a replica follows them."""

from __future__ import annotations

from typing import ClassVar

from fastfile.config.option import OptionGroup, option
from fastfile.config.values import PATH, RELEASE, seconds


class ReleaseOptions(OptionGroup):
    """What a server of LOCATION (s3://BUCKET/PREFIX or file:///FOLDER) fetches, and when."""

    TITLE: ClassVar = "Releases"

    release: str | None = option(
        RELEASE, metavar="ID", help="Serve this release of LOCATION, instead of following the current one."
    )
    store_cache: str | None = option(
        PATH,
        metavar="DIR",
        help="Store the files of releases below this folder, instead of in the user's cache folder. Each location gets "
        "a subfolder of its own.",
    )
    store_poll: float = option(
        seconds(0.1, 86400),
        default=5.0,
        metavar="TIME",
        help="Time between two checks of the store for a new release. The store is also checked before any 404.",
        reason="each check is one small conditional request: 520,000 a month for each replica, $0.21 at S3's list "
        "price",
    )
    store_max_age: float | None = option(
        seconds(1, 604800),
        metavar="TIME",
        help="Make --health respond with 503 if the store has not confirmed the release for this time.",
    )
