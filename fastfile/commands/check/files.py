"""Problems of single files: clashing names, wrong variants, and long caching of names without a hash."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from fastfile.commands.check.findings import Finding, show_path
from fastfile.commands.check.inventory import Tree
from fastfile.commands.compress.variant_file import holds
from fastfile.http.content.content_hash import is_immutable, is_page, is_service_worker
from fastfile.http.content.media_types import is_compressible, media_type
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.storage.metadata import has_no_date
from fastfile.storage.variants import is_older
from fastfile.terminal import printable

_ENDINGS = tuple(suffix for _, suffix in SUFFIXES)
_LEAST = 1024  # bytes: smaller files are not worth compressing
_YEAR_S = 365 * 24 * 3600
_MAX_AGE = re.compile(rb"(?:^|[\s,])max-age=(\d{1,12})", re.IGNORECASE)


def check_names(tree: Tree) -> Iterator[Finding]:
    """Yield findings for names that differ only by case."""
    for first, second in tree.clashes:
        text = f"{show_path(first)} differs only by case, and is the same name on macOS and Windows"
        cause = "another name differs only by case, and is the same name on macOS and Windows"
        yield Finding(tree.shown + show_path(second), 0, "warning", "case-clash", text, cause)
    for path, error in tree.failures:
        name = tree.shown + show_path(path or b".")
        yield Finding(name, 0, "warning", "unreadable", f"the folder cannot be read: {error.strerror}")


def check_fallback(tree: Tree, page: str | None) -> Iterator[Finding]:
    """Yield a finding if the page of --spa does not exist: then every route of the app is 404."""
    if page is not None and tree.root.only is None and os.fsencode(page) not in tree.files:
        yield Finding(
            tree.shown + printable(page), 0, "error", "missing-page", "--spa serves this page: it does not exist"
        )


def check_variants(tree: Tree) -> Iterator[Finding]:
    """Yield findings for variants that differ from their original, and for missing ones."""
    # The smallest file of an extension with a variant in a coding: smaller ones may not be worth compressing.
    least: dict[tuple[bytes, bytes], int] = {}
    lacking: list[tuple[bytes, bytes, int]] = []
    for path, status in tree.files.items():
        if path.endswith(_ENDINGS) or not is_compressible(media_type(path.rpartition(b"/")[2])):
            continue
        extension = path.rpartition(b".")[2].lower()
        for coding, suffix in SUFFIXES:
            variant = tree.files.get(path + suffix)
            key = (extension, suffix)
            if variant is None:
                lacking.append((path, suffix, status.st_size))
                continue
            least[key] = min(least.get(key, status.st_size), status.st_size)
            yield from _check_variant(tree, path, coding, suffix, status, variant)
    for path, suffix, size in lacking:
        smallest = least.get((path.rpartition(b".")[2].lower(), suffix))
        if smallest is not None and size >= max(smallest, _LEAST):
            name, ending = show_path(path.rpartition(b"/")[2] + suffix), suffix.decode()
            cause = f"there is no {ending}; other files of this type have one"
            text = f"{name} is missing; other files of this type have one"
            yield Finding(tree.shown + show_path(path), 0, "warning", "missing-variant", text, cause)


def check_caching(shown: str, path: bytes, cache_control: bytes) -> Finding | None:
    """Report a file that browsers keep for a year, although its name has no hash."""
    lowered = cache_control.lower()
    age = _MAX_AGE.search(lowered)
    if b"immutable" not in lowered and (age is None or int(age[1]) < _YEAR_S):
        return None
    if is_page(path) or is_service_worker(path):
        text = "browsers keep it for a year, but its next version has the same URL"
        return Finding(shown, 0, "error", "immutable-page", text)
    if _has_hash(path):
        return None
    text = "browsers keep it for a year without asking again, but its name has no content hash"
    return Finding(shown, 0, "warning", "immutable-name", text)


def _check_variant(
    tree: Tree, path: bytes, coding: bytes, suffix: bytes, status: os.stat_result, variant: os.stat_result
) -> Iterator[Finding]:
    if not has_no_date(status) and variant.st_size and variant.st_mtime_ns == status.st_mtime_ns:
        return
    name = tree.shown + show_path(path + suffix)
    try:
        fits = _holds(tree, path, coding, suffix)
    except ImportError:  # the library is not installed
        fits = True
    except OSError as error:
        yield Finding(name, 0, "warning", "unreadable", f"the variant cannot be compared: {error.strerror}")
        return
    original = show_path(path.rpartition(b"/")[2])
    if not fits:
        cause = "it does not decode to the content of its original"
        yield Finding(name, 0, "error", "stale-variant", f"it does not decode to the content of {original}", cause)
    elif is_older(variant.st_mtime_ns, status.st_mtime_ns):
        cause = "it is older than its original, so it is not sent"
        yield Finding(name, 0, "warning", "old-variant", f"it is older than {original}, so it is not sent", cause)


def _holds(tree: Tree, path: bytes, coding: bytes, suffix: bytes) -> bool:
    for name in (path, path + suffix):
        if not stat.S_ISREG(tree.root.stat(name).st_mode):
            return False
    return holds(tree.root.absolute(path + suffix), tree.root.absolute(path), coding)


def _has_hash(path: bytes) -> bool:
    """Tell whether a name has a hash, as is_immutable() does, but also in data and maps, where that is too careful."""
    stem, _, extension = path.removesuffix(b".map").removesuffix(b".LICENSE.txt").rpartition(b".")
    return is_immutable(path) or (bool(extension) and is_immutable(stem + b".js"))
