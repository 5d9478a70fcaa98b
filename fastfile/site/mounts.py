"""Mounts: the sites of one server by the path that each is mounted at; the longest that fits answers."""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.errors import make_not_found
from fastfile.http.target import Target
from fastfile.site.lookup import Site


class Mounts:
    """Mostly there is one site, at the top."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sorted(sites, key=lambda site: -len(site.base))

    def look_around(self) -> None:
        """See what no request looks for; to be called about once a second."""
        for site in self._sites:
            site.look_around()

    def find(self, target: Target) -> tuple[Site, Target]:
        """Return the site for a target, and the target as that site sees it. Raises HTTPError 404."""
        path = target.path
        for site in self._sites:
            base = site.base
            if not base:
                return site, target
            if path.startswith(base) and path[len(base) : len(base) + 1] in (b"", b"/"):
                return site, target._replace(path=path[len(base) + 1 :])
        raise make_not_found()
