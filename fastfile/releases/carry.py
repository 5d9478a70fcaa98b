"""Carried files: assets of earlier releases that stay reachable, so that open tabs find what their pages load."""

from __future__ import annotations

from collections.abc import Collection, Set

from fastfile.http.content.content_hash import is_page, is_service_worker
from fastfile.releases.manifest import Manifest, ManifestFile

# Not assets of a page: documents, whose disappearance is meant, and the files that configure a provider.
_DOCUMENTS = (b".txt", b".xml", b".pdf", b".md")
_CONFIGURATION = (b"netlify.toml", b"vercel.json", b"serve.json")
_VARIANTS = (b".br", b".zst", b".gz")


def carry(current: Manifest, paths: Collection[bytes], now_s: int, keep_s: int) -> list[ManifestFile]:
    """Return the files of the current release to carry beside files at ``paths``, for at most ``keep_s``."""
    files, folders = set(paths), {parent for path in paths for parent in _parents(path)}
    carried = []
    for file in current.files:
        if file.path in files:
            continue
        until_s = now_s + keep_s if file.carried_until_s is None else min(file.carried_until_s, now_s + keep_s)
        if until_s > now_s and _is_asset(file.path) and not _is_in_the_way(file.path, files, folders):
            carried.append(file._replace(carried_until_s=until_s))
    return carried


def _is_asset(path: bytes) -> bool:
    stem = path
    for suffix in _VARIANTS:
        stem = stem.removesuffix(suffix)
    name = stem.rpartition(b"/")[2]
    if is_page(stem) or is_service_worker(stem) or stem.lower().endswith(_DOCUMENTS) or path in _CONFIGURATION:
        return False
    return b"." in name[1:]  # else a name such as "about", which could hide about.html, or "_redirects"


def _is_in_the_way(path: bytes, files: Set[bytes], folders: Set[bytes]) -> bool:
    """Tell whether a path is a file or folder of the build, is below a file, or would be a variant of another file."""
    if path in folders or not files.isdisjoint(_parents(path)):
        return True
    return any(name in files for suffix in _VARIANTS for name in (path.removesuffix(suffix), path + suffix))


def _parents(path: bytes) -> list[bytes]:
    parents = []
    while path := path.rpartition(b"/")[0]:
        parents.append(path)
    return parents
