"""The kinds of value that options have: how to parse text, what is expected, how to show a value.

The command line, the environment and a file all give text. A kind's ``parse`` raises ValueError; load.py adds the
option and the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from fastfile.config.cpus import usable_cpus
from fastfile.records import NamedTuple

KIB = 1024
MIB = 1024 * KIB
_UNITS = {"": 1, "k": KIB, "m": MIB, "g": 1024 * MIB}
_SECONDS_PER = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0))
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
T = TypeVar("T")
_Number = TypeVar("_Number", int, float)
_Word = TypeVar("_Word", bound=str)


class Unusable(ValueError):
    """A value with valid syntax that cannot be used: its text says why, instead of what was expected."""


class Kind(NamedTuple, Generic[T]):
    """A kind of value: ``expected`` completes the sentence "expected …"; ``show`` is the inverse of ``parse``.

    ``separator`` separates the values of a repeatable option in an environment variable. Shell completion offers
    ``words``, and files if ``names_file``; other values may be valid too.
    """

    expected: str
    parse: Callable[[str], T]
    show: Callable[[Any], str] = str
    separator: str = ","
    words: tuple[str, ...] = ()
    names_file: bool = False


def number(low: int, high: int) -> Kind[int]:
    """Make the kind of whole numbers from ``low`` to ``high``."""
    return Kind(f"a number from {low} to {high}", lambda text: _within(_digits(text), low, high))


def size(low: int, high: int) -> Kind[int]:
    """Make the kind of sizes in bytes; ``64M`` and ``64MiB`` are 64 * 1024 * 1024."""
    expected = f"a size from {show_size(low)} to {show_size(high)} (bytes, or with K, M or G)"
    return Kind(expected, lambda text: _within(_parse_size(text), low, high), show_size)


def seconds(low: float, high: float) -> Kind[float]:
    """Make the kind of times in seconds; ``500ms``, ``10s``, ``2m`` and ``1h`` are accepted too."""
    expected = f"a time from {low:g} to {high:g} seconds (a number, or with ms, s, m or h)"
    return Kind(expected, lambda text: _within(_parse_seconds(text), low, high), lambda value: f"{value:g}s")


def choice(*names: _Word, aliases: Mapping[str, _Word] = MappingProxyType({})) -> Kind[_Word]:
    """Make the kind of one word of ``names``; ``aliases`` are accepted too."""
    by_text = {**{str(name): name for name in names}, **aliases}

    def parse(text: str) -> _Word:
        _require(text, text in by_text)
        return by_text[text]

    return Kind("one of " + ", ".join(names), parse, words=names)


def show_size(count: int) -> str:
    """Return the shortest exact spelling of a size: ``8192`` as ``8K``."""
    for unit in ("g", "m", "k"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit.upper()}"
    return str(count)


def _digits(text: str) -> int:
    # int() alone would also accept "1_000", " 7 " and the digits of every script.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _within(value: _Number, low: float, high: float) -> _Number:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _require(text: str, good: bool) -> str:
    if not good:
        raise ValueError(text)
    return text


def _parse_size(text: str) -> int:
    word = text.lower()
    stem = word.removesuffix("ib" if word.endswith("ib") else "b")
    unit = stem.lstrip("0123456789. ")
    if unit not in _UNITS:
        raise ValueError(text)
    return _digits(stem.removesuffix(unit).rstrip(" ")) * _UNITS[unit]


def _parse_seconds(text: str) -> float:
    for unit, factor in _SECONDS_PER:
        if text.endswith(unit):
            return _decimal(text.removesuffix(unit).rstrip(" ")) * factor
    return _decimal(text)


def _decimal(text: str) -> float:
    # float() alone would also accept "nan", "inf" and "1e9".
    if not text.replace(".", "", 1).isdigit() or not text.isascii():
        raise ValueError(text)
    return float(text)


def maybe_switch(text: str) -> bool | None:
    """Return the value of a word for on or off; None for any other text."""
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _parse_switch(text: str) -> bool:
    value = maybe_switch(text)
    if value is None:
        raise ValueError(text)
    return value


def _parse_workers(text: str) -> int:
    return usable_cpus() if text in ("auto", "0") else _within(_digits(text), 1, 1024)


def _parse_bind(text: str) -> str:
    if text.startswith("unix:"):
        return _require(text, len(text) > len("unix:") and "\0" not in text)
    if text.startswith("[") and text.endswith("]"):
        text = _require(text[1:-1], ":" in text)
    # A single colon separates a port; an IPv6 address has at least two.
    return _require(text, text != "" and text.count(":") != 1 and text.isprintable() and not set(text) & set(" /[]"))


def _parse_file_name(text: str) -> str:
    return _require(text, text not in ("", ".", "..") and "/" not in text and "\0" not in text)


def _parse_host(text: str) -> str:
    name = text.lower()
    if name.startswith("*."):
        name = name[1:]  # other servers write *.NAME for all names below a domain
    if name.startswith("[") and name.endswith("]"):
        return _require(name, ":" in name)
    good = name.strip(".") != "" and name.isprintable() and not set(name) & set(" /:[]@*")
    return _require(name, good or name == "*")


def _parse_path(text: str) -> str:
    return _require(text, text != "" and "\0" not in text)


def _parse_release(text: str) -> str:
    return _require(text, text.isascii() and text.replace("-", "").isalnum())


def _parse_client_limit(text: str) -> int:
    return 0 if text == "auto" else _within(_digits(text), 1, 1000000)


def _parse_target(text: str) -> str:
    good = text.isascii() and text.isprintable() and not set(text) & set(" %?#")
    return _require(text, good and text.startswith("/") and "/.." not in text and text.strip("/") != "")


def _parse_url_path(text: str) -> str:
    return _require(text, text.isascii() and text.isprintable() and " " not in text and text[:1] == "/" != text[1:2])


def _parse_page(text: str) -> str:
    return _require(text, not {"", ".", ".."} & set(text.split("/")) and "\0" not in text)


def _parse_mount(text: str) -> tuple[str, str]:
    base, _, folder = text.partition("=")
    return _parse_target(base), _parse_path(folder)


def _parse_proxy(text: str) -> str:
    """Return a network in its full form; ``unix`` means every client of a Unix socket."""
    import ipaddress  # takes 3 ms, and most servers do not need it

    return text if text == "unix" else str(ipaddress.ip_network(text, strict=False))


def _parse_metrics(text: str) -> str:
    if not text.startswith("unix:"):
        host, _, port = text.rpartition(":")
        _parse_bind(host)
        _within(_digits(port), 0, 65535)
    return _require(text, text != "unix:" and "\0" not in text)


def _parse_mode(text: str) -> str:
    return _require(text, 3 <= len(text) <= 4 and not set(text) - set("01234567") and text[-4:-3] in ("", "0"))


SWITCH = Kind("true or false", _parse_switch, lambda value: "on" if value else "off")
CLIENT_LIMIT = Kind(
    "auto or a number from 1 to 1000000",
    _parse_client_limit,
    lambda value: str(value) if value else "auto",
    words=("auto",),
)
WORKERS = Kind("auto or a number from 1 to 1024", _parse_workers, words=("auto",))
BIND = Kind("an address or a host name without a port, or unix:PATH", _parse_bind)
DOT_NAME = Kind(
    "a name that begins with a dot, without a slash",
    lambda text: _require(_parse_file_name(text), text.startswith(".")),
)
FILE_NAME = Kind("the name of a file, without a slash", _parse_file_name)
HOST = Kind("a host name or an address without a port, .NAME or *.NAME for all names below it, or *", _parse_host)
PATH = Kind("a path", _parse_path, names_file=True)
MODE = Kind("an octal mode such as 0660", _parse_mode)
TARGET = Kind("a path that begins with a slash, without escapes or a query", _parse_target)
URL_PATH = Kind("a path on the server, such as /about?tab=2, as the browser's address bar shows it", _parse_url_path)
PAGE = Kind("the path of a page beneath the folder, without a slash before it", _parse_page)
MOUNT = Kind("/PATH=FOLDER", _parse_mount, "=".join)
PROXY = Kind("a network such as 10.0.0.0/8, an address, or unix", _parse_proxy)
METRICS = Kind("HOST:PORT or unix:PATH", _parse_metrics)
COMMAND = Kind("a shell command", _parse_path)
NAME = Kind("a name or a number", _parse_path)
RELEASE = Kind("the id of a release, as fastfile releases prints it", _parse_release)
