"""The kinds of option value about browser caching: --immutable and --cache-control (RFC 9111 §5.2, RFC 8246)."""

from __future__ import annotations

import os

from fastfile.config.header_values import is_token
from fastfile.config.values import Kind

_IN_SECONDS = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
# A text that begins with one of these has no glob: it applies to all files.
_DIRECTIVES = (
    *(*_IN_SECONDS, "immutable", "must-revalidate", "must-understand", "no-cache", "no-store", "no-transform"),
    *("private", "proxy-revalidate", "public"),
)
_SWITCHES = ("true", "yes", "on", "1", "false", "no", "0")


def _parse_immutable(text: str) -> str:
    # As a regular expression, "on" would match every icon.
    if text in ("", *_SWITCHES):
        raise ValueError(text)
    if text not in ("auto", "off"):
        # Imported here: only a pattern needs it.
        import re

        try:
            re.compile(os.fsencode(text))
        except re.error:
            raise ValueError(text) from None
    return text


def _check_glob(glob: str) -> None:
    # Refuse the syntax of other globs, because users would not notice a rule that matches nothing.
    if not glob.isprintable() or set(glob) & set("[]{}\\") or glob in ("", "/") or "//" in glob or "/../" in glob:
        raise ValueError(glob)


def _parse_encoded(text: str) -> tuple[str, str]:
    glob, _, coding = text.rpartition("=")
    _check_glob(glob)
    if coding not in ("gzip", "br", "zstd"):
        raise ValueError(text)
    return glob, coding


def _parse_cache_rule(text: str) -> tuple[str, str]:
    if text.replace(",", "=").partition("=")[0].strip(" ").lower() in _DIRECTIVES:
        text = f"**={text}"
    glob, _, value = text.partition("=")
    _check_glob(glob)
    directives = [directive.strip(" ") for directive in value.split(",")]
    for directive in directives:
        name, equals, argument = directive.partition("=")
        if not is_token(name) or (equals and not is_token(argument)):
            raise ValueError(text)
        if name.lower() in _IN_SECONDS and not argument.isdigit():
            raise ValueError(text)
    return glob, ", ".join(directives)


IMMUTABLE = Kind("auto, off, or a regular expression", _parse_immutable, words=("auto", "off"))
CACHE_RULE = Kind(
    "GLOB=VALUE, such as '/assets/**=public, max-age=60', where a GLOB has *, ** and ?, or VALUE for all files",
    _parse_cache_rule,
    "=".join,
    separator=";",
)
ENCODED = Kind(
    "GLOB=CODING, such as '/tiles/**.pbf=gzip', where a CODING is gzip, br or zstd",
    _parse_encoded,
    "=".join,
    separator=";",
)
