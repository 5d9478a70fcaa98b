"""Print fastfile/embedding/options.py: the keywords of the Python API, made from the options of the command line.

PYTHONPATH=tests:. python tests/tools/option_types.py >fastfile/embedding/options.py
"""

from __future__ import annotations

import typing

from fastfile.config.config import BY_NAME, Config
from fastfile.config.option import Option, read_group
from fastfile.config.options.content import BuildOptions, ContentOptions
from fastfile.config.options.limits import LimitOptions
from fastfile.config.options.responses import AccessOptions, HeaderOptions

# Not keywords: the folder is an argument of its own.
ARGUMENTS = {"directory"}
FILES = {
    *(
        option.name
        for group in (ContentOptions, BuildOptions, HeaderOptions, AccessOptions)
        for option in read_group(group)
    ),
    *("allowed_host", "limit_ranges", "limit_archive", "cache_size", "cache_files", "small_file"),
} - ARGUMENTS
SERVER = {option.name for option in read_group(LimitOptions)} - FILES
PROCESSES = {
    *("workers", "loop", "grace", "drain_timeout", "heartbeat_timeout", "sandbox", "trusted_proxy"),
    *("https", "tls_cert", "tls_key", "tls_password_file", "tls_min", "http", "hsts"),
    *("proxy", "proxy_timeout", "proxy_connections"),
}
CLASSES = (
    ("FilesOptions", "dict", FILES, "Options of the files and their responses: for every way to serve them."),
    ("ServerOptions", "FilesOptions", SERVER, "Options of a server that runs in a thread: its connections too."),
    ("ProcessOptions", "ServerOptions", PROCESSES, "Options of a server with processes of its own."),
    (
        "RunOptions",
        "ProcessOptions",
        set(BY_NAME) - FILES - SERVER - PROCESSES - ARGUMENTS,
        "All options of the command.",
    ),
)
HEAD = '''"""The keywords of the Python API, by what takes them. Made by tests/tools/option_types.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

Path = str | PathLike[str]
Pairs = Mapping[str, Path] | Sequence[str | tuple[str, Path]]
'''


def make_module() -> str:
    """Return the text of the module."""
    types = typing.get_type_hints(Config)
    text = HEAD
    for name, base, options, docstring in CLASSES:
        base = "TypedDict" if base == "dict" else base
        text += f'\n\nclass {name}({base}, total=False):\n    """{docstring}"""\n\n'
        for option in BY_NAME.values():
            if option.name in options:
                text += f"    {option.name}: {annotation(option, types[option.name])}\n"
    return text


def annotation(option: Option, type_: object) -> str:
    """Return the type of a keyword, as source."""
    if option.repeatable:
        is_single = type_ == tuple[str, ...] and not option.pair_separator
        single = "Path" if option.kind.names_file else "str"
        several = f"Sequence[{single}]" if is_single else "Pairs"
        return f"bool | {several} | None" if option.bare else f"{several} | None"
    plain = [kind for kind in typing.get_args(type_) if kind is not type(None)]
    if typing.get_origin(type_) is typing.Literal:
        words = ", ".join(f'"{word}"' for word in plain)
        return f"Literal[{words}] | None"
    if option.name == "host":
        return "bool | str | None"  # an address too, as for the servers
    one = type_ if isinstance(type_, type) else plain[0]
    name = {bool: "bool", int: "int | str", float: "float | str", str: "str"}[one]
    if option.kind.names_file:
        name = "Path"
    return f"bool | {name} | None" if option.bare else f"{name} | None"


if __name__ == "__main__":
    print(make_module(), end="")  # noqa: T201
