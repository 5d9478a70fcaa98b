"""Settings from Python keywords: the options of the command line, checked by the same code.

Each value becomes the text that the command line would have, so that the rules and the messages are the same.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping
from typing import Any

from fastfile.config.combinations import check_page, check_together
from fastfile.config.config import BY_NAME, Config
from fastfile.config.folder import resolve_directory
from fastfile.config.load import parse_texts
from fastfile.config.nearest import closest
from fastfile.config.option import Option
from fastfile.config.users import with_users
from fastfile.embedding.options import ProcessOptions, RunOptions, ServerOptions
from fastfile.errors import ConfigError, ConfigTypeError
from fastfile.terminal import printable

Directory = str | os.PathLike[str]


# Everything that takes options for more than files, with its keywords.
_TAKERS = (
    ("fastfile.Server", frozenset(ServerOptions.__annotations__)),
    ("fastfile.ProcessServer", frozenset(ProcessOptions.__annotations__)),
    ("fastfile.run", frozenset(RunOptions.__annotations__)),
)


# Keywords of Starlette, whitenoise, servestatic and aiohttp, by what to use instead (docs/migration.md).
_FOREIGN = {
    "html": "not needed: the index.html of a folder is served",
    "packages": "give the folder of the package",
    "check_dir": "not needed: a missing folder raises StartError",
    "autorefresh": "not needed: the next request sees a change of the folder",
    "use_finders": "not needed: the runserver of Django serves the sources",
    "root": "give the folder as the first argument",
    "static_prefix": "use prefix",
    "index_file": "use index",
    "max_age": 'use cache_control="max-age=60"',
    "mimetypes": "use mime",
    "charset": "not needed: text is UTF-8",
    "allow_all_origins": "use cors=True",
    "add_headers_function": "use header, or a _headers file",
    "immutable_file_test": "use immutable, a regular expression",
    "show_index": "use listing=True",
    "append_version": "not needed: names with a hash are immutable",
    "bind_address": "use host",
    "address": "use host",
}


def make_texts(options: Mapping[str, object], allowed: Iterable[str], source: str) -> dict[str, list[str]]:
    """Return the texts of each option that is set; None counts as not set.

    ``source`` says where the keywords were given. Raises ConfigError, which also says what takes an option that is not
    ``allowed``.
    """
    names = frozenset(allowed)
    texts: dict[str, list[str]] = {}
    for name, value in options.items():
        if name not in BY_NAME:
            hint = f"; {_FOREIGN[name]}" if name in _FOREIGN else closest(name, names) or closest(name, BY_NAME)
            raise ConfigError(printable(name), source, f"no such option{hint}")
        option = BY_NAME[name]
        if name not in names:
            takers = " and ".join(taker for taker, taken in _TAKERS if name in taken)
            raise ConfigError(option.flag, source, f"has no effect here: it is for {takers}")
        if value is not None:
            texts[name] = _make_option_texts(option, value, source)
    return texts


def make_config(texts: Mapping[str, list[str]], source: str, **defaults: Any) -> Config:
    """Return the settings of ``texts``; ``defaults`` win over those of the command line. Raises ConfigError."""
    values = {name: parse_texts(BY_NAME[name], text, source) for name, text in texts.items()}
    config = Config(sources=dict.fromkeys(values, source), **{**defaults, **values})
    check_together(config)
    return config


def find_root(config: Config) -> tuple[Config, str]:
    """Return the settings with their users, and the path of the folder. Raises ConfigError and StartError."""
    path = os.path.abspath(resolve_directory(config))
    check_page(config, path)
    return with_users(config, path), path


def spare_descriptors(config: Config) -> Config:
    """Return the settings with a share of the descriptors that the program may have; its limit does not change."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return config
    files, connections = max(1, soft // 8), max(1, soft // 4)
    return config.replace(
        cache_files=min(config.cache_files, files), max_connections=min(config.max_connections, connections)
    )


def name_directory(directory: Directory, source: str) -> list[str]:
    """Return the folder as the text of its option. Raises ConfigError."""
    return _make_option_texts(BY_NAME["directory"], directory, source)


def name_port(port: object, source: str) -> list[str]:
    """Return the port as the text of its option. Raises ConfigError."""
    return _make_option_texts(BY_NAME["port"], port, source)


def _make_option_texts(option: Option, value: object, source: str) -> list[str]:
    if value is False and option.off_text is not None:
        return [option.off_text] if option.off_text else []
    if isinstance(value, Mapping):
        value = list(value.items())
    if option.repeatable and isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_make_text(option, item, source) for item in value]
    return [_make_text(option, value, source)]


def _make_text(option: Option, value: object, source: str) -> str:
    is_path = option.kind.names_file or option.metavar.endswith("DIR")
    if isinstance(value, int | float) and not is_path:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    if isinstance(value, tuple) and len(value) == 2:
        return (option.pair_separator or "=").join(_make_text(option, part, source) for part in value)
    name = option.name if option.name == "directory" else option.flag
    raise wrong_type(name, source, option.kind.expected, value)


def wrong_type(name: str, source: str, expected: str, value: object) -> ConfigTypeError:
    """Return the error for an argument of another type than expected."""
    return ConfigTypeError(name, source, f"expected {expected}, got an object of type {type(value).__name__}")
