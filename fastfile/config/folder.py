"""The folder or file to serve: the one that the user named, or else an existing build.

Without DIR, the first candidate that has an index file is served; the current folder is the last candidate. The index
of an app's sources (Vite, Create React App) does not count: browsers cannot run it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from fastfile.config.config import Config
from fastfile.config.load import COMMAND_LINE
from fastfile.config.nearest import closest
from fastfile.errors import ConfigError, StartError
from fastfile.records import NamedTuple
from fastfile.terminal import printable

# Where tools write a build, by pattern: the most common first, a nested folder after the one around it.
BUILD_FOLDERS = (
    "dist",  # Vite, Astro, Vue CLI, Parcel, Expo, Rollup
    "build",  # Create React App, SvelteKit, Docusaurus, React Router (build/client)
    "public",  # Hugo, Gatsby
    "out",  # Next.js
    "_site",  # Jekyll, Eleventy
    "site",  # MkDocs, Zensical
    ".output/public",  # Nuxt, SolidStart, TanStack Start
    "dist/*/browser",  # Angular
    "dist/browser",
    "dist/client",
    "build/client",
    "dist/*",  # Angular before 17, Nx
    "www",  # Ionic, Stencil
    "storybook-static",
    "docs/.vitepress/dist",
    "docs/.vuepress/dist",
    "docs/build/html",  # Sphinx
    "docs/_build/html",
    "_build/html",
    "build/html",
    "book",  # mdBook
    "_book",  # Quarto, Bookdown
)
# In the index of an app's sources: a module that only a development server compiles, or a template's placeholder.
_SOURCE_SCRIPT = rb"""<script\b(?=[^<>]*\btype\s*=\s*["']?module\b)[^<>]*\bsrc\s*=\s*["']?(\./|/)?src/"""
_PLACEHOLDERS = (b"%PUBLIC_URL%", b"<%= BASE_URL", b"<%= htmlWebpackPlugin")
_INDEX_READ = 1 << 16  # bytes of an index that are searched for these


class Choice(NamedTuple):
    """The folder or file to serve, with notices about the choice.

    ``others`` are further folders that the user may have meant. ``is_clear``: there are none.
    """

    path: str
    notices: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_clear: bool = True


def choose(config: Config, folder: str = "", others: Sequence[str] = ()) -> Choice:
    """Return the folder or file to serve, relative to ``folder``. Raises StartError, for mounts too.

    ``others`` are words that the user may have meant instead of a missing folder.
    """
    for _, mounted in config.mount:
        _check_readable(os.path.join(folder, mounted), mounted)
    if config.location is not None:
        return Choice(config.location)
    if config.directory is not None:
        path = os.path.join(folder, config.directory)
        _check_readable(path, config.directory, others)
        page = _find_index(path, config.index)
        return Choice(path, (_tell_probable_source(page),) if page is not None and _is_source(page) else ())
    return _choose_build(folder, config.index)


def resolve_directory(config: Config, folder: str = "", others: Sequence[str] = ()) -> str:
    """Return the path of the folder or file to serve, by ``choose()``. Raises StartError for a store of releases."""
    _check_local(config)
    return choose(config, folder, others).path


def resolve_clear_directory(config: Config, folder: str = "") -> str:
    """Return the path of the folder or file, for a command that must not guess. Raises ConfigError and StartError."""
    _check_local(config)
    choice = choose(config, folder)
    if choice.is_clear:
        return choice.path
    if not choice.others:
        raise ConfigError("DIR", COMMAND_LINE, f"name the folder: {choice.notices[0]}")
    names = ", ".join(printable(path) for path in (choice.path, *choice.others))
    raise ConfigError("DIR", COMMAND_LINE, f"name the folder; it could be any of these: {names}")


def _check_local(config: Config) -> None:
    if config.location is not None:
        raise StartError(
            f"{printable(config.location)}: only the command fastfile serves a store of releases: name a folder"
        )


def _choose_build(folder: str, index: Sequence[str]) -> Choice:
    found: list[str] = []
    without_index: list[str] = []
    sources: list[str] = []
    for path in (*_candidates(folder), folder or "."):
        page = _find_index(path, index)
        is_inside = any(path.startswith(os.path.join(other, "")) for other in found)
        if page is None:
            without_index += [] if is_inside else [path]
        elif _is_source(page):
            sources.append(page)
        elif not is_inside:
            found.append(path)
    current = folder or "."
    if not found:
        return Choice(current, (_tell_none(sources, without_index, index),), is_clear=False)
    chosen, *others = found
    notices = []
    if others:
        shown = ", ".join(printable(path) for path in others)
        verb = "has" if len(others) == 1 else "have"
        notices.append(f"serving {printable(chosen)}, but {shown} {verb} an index file too")
    if sources and chosen == current:
        notices.append(_tell_sources(sources))
    return Choice(chosen, tuple(notices), tuple(others), not others)


def _candidates(folder: str) -> Iterator[str]:
    """Return the existing build folders, each once."""
    seen = set()
    for pattern in BUILD_FOLDERS:
        paths = [os.path.join(folder, ".", pattern)]
        if "*" in pattern:
            from glob import escape, glob  # only a pattern in workspaces needs it

            paths = sorted(glob(os.path.join(escape(folder), ".", pattern)))
        for path in paths:
            if path not in seen and os.path.isdir(path):
                seen.add(path)
                yield path


def _find_index(path: str, index: Sequence[str]) -> str | None:
    pages = (os.path.join(path, name) for name in index)
    return next(filter(os.path.isfile, pages), None)


def _is_source(page: str) -> bool:
    """Tell whether a page is the source of an app, from which a build makes another page."""
    try:
        with open(page, "rb") as file:
            content = file.read(_INDEX_READ)
    except OSError:
        return False
    if any(placeholder in content for placeholder in _PLACEHOLDERS):
        return True
    is_module = re.search(_SOURCE_SCRIPT, content, re.IGNORECASE) is not None
    return is_module and os.path.exists(os.path.join(os.path.dirname(page), "package.json"))


def _tell_none(sources: Sequence[str], without_index: Sequence[str], index: Sequence[str]) -> str:
    if sources:
        return _tell_sources(sources)
    names = " or ".join(printable(name) for name in index)
    shown = ", ".join(printable(path) for path in without_index[:-1])
    return f"no {names} in {f'{shown} or ' if shown else ''}the current folder"


def _tell_sources(sources: Sequence[str]) -> str:
    shown = printable(sources[0])
    return f"{shown} is the source of an app, which a browser cannot run: build the app first, or name a folder"


def _tell_probable_source(page: str) -> str:
    """Return a notice for a folder that the user named: some apps work without a build."""
    shown = printable(os.path.normpath(page))
    return f"{shown} looks like the source of an app: if the page stays empty, serve the build"


def _check_readable(path: str, given: str, others: Sequence[str] = ()) -> None:
    shown = printable(given)
    if os.path.islink(path.rstrip("/")) and not os.path.exists(path):
        raise StartError(f"{shown}: a link to {printable(os.readlink(path.rstrip('/')))}, which does not exist")
    if not os.path.exists(path):
        raise StartError(f"{shown}: no such folder or file{closest(given, [*_neighbours(path), *others])}")
    if not (os.path.isdir(path) or os.path.isfile(path)):
        raise StartError(f"{shown}: neither a folder nor a file")
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        raise StartError(f"{shown}: no permission to read it")


def _neighbours(path: str) -> list[str]:
    """Return existing names beside a missing path, in the same spelling."""
    folder = os.path.dirname(path)
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder or ".")]
    except OSError:
        return []
