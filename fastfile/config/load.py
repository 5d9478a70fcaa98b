"""Load the settings from the command line, the environment, a configuration file and the defaults.

Owns precedence (in that order), the source of each value, and the messages about wrong values. It reads the options'
fields, and knows by name only options that contradict each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from fastfile.config.combinations import check_together
from fastfile.config.config import BY_KEY, BY_NAME, OPTIONS, Config
from fastfile.config.nearest import closest
from fastfile.config.option import Option
from fastfile.config.values import BIND, Unusable, maybe_switch
from fastfile.errors import ConfigError
from fastfile.records import NamedTuple
from fastfile.terminal import printable

COMMAND_LINE = "the command line"
_FILE = "configuration"  # the subject of errors about a whole file

# Variables of the build, of fastfile/__init__.py and of the tests.
_NOT_OPTIONS = (
    "FASTFILE_NO_EXTENSIONS",
    "FASTFILE_NO_OPENSSL",
    "FASTFILE_CFLAGS",
    "FASTFILE_REQUIRE_",
    "FASTFILE_TEST_",
)


class _Setting(NamedTuple):
    """The texts of one option before they are parsed, and their source. No texts: the option is unset."""

    texts: Sequence[str]
    source: str


_Layer = dict[str, _Setting]


def load(arguments: Mapping[str, Sequence[str]], environ: Mapping[str, str], folder: str = "") -> Config:
    """Return the settings of ``arguments`` (texts by option name), ``environ`` and the file in ``folder``.

    Raises ConfigError for a wrong value and for an unknown name.
    """
    given: _Layer = {name: _Setting(texts, COMMAND_LINE) for name, texts in arguments.items()}
    environment = _read_environment(environ)
    named = given.get("config") or environment.get("config")
    layers = (_read_file(folder, named), environment, given)
    for layer in layers:
        _move_address(layer)
    settings: _Layer = {}
    for layer in layers:
        if "bind" in layer and "host" not in layer:
            settings.pop("host", None)  # a source of higher precedence named an address
        settings |= layer
    values: dict[str, Any] = {name: parse_texts(BY_NAME[name], *setting) for name, setting in settings.items()}
    for layer in layers:
        if "bind" in layer and values.get("host") and layer.get("host") is settings["host"]:
            raise ConfigError("--host", settings["host"].source, "cannot be used with --bind, which gives an address")
    if values.get("host"):
        values.pop("bind", None)  # only from a source of lower precedence; otherwise it is a contradiction
    config = Config(sources={name: settings[name].source for name in values}, **values)
    check_together(config)
    return config


def parse_texts(option: Option, texts: Sequence[str], source: str) -> object:
    """Return the value of an option from ``texts``. Raises ConfigError, with the source.

    Without a text the option is reset to its default, as ``--no-spa`` does.
    """
    values = []
    for text in _expand(option, texts):
        try:
            values.append(option.kind.parse(text))
        except Unusable as error:
            raise ConfigError(option.flag, source, printable(str(error))) from None
        except ValueError:
            shown = "something else" if option.secret else f'"{printable(text)}"'
            raise ConfigError(option.flag, source, f"expected {option.kind.expected}, got {shown}") from None
    if not values:
        return option.default
    return tuple(values) if option.repeatable else values[-1]


def _expand(option: Option, texts: Sequence[str]) -> list[str]:
    """Return the texts with ``true`` and ``false`` replaced, for an option that may be given without a value."""
    expanded: list[str] = []
    for text in texts:
        switch = maybe_switch(text) if option.bare else None
        if switch is False:
            expanded.clear()
        else:
            expanded.append(option.bare if switch else text)
    return expanded


def _move_address(layer: _Layer) -> None:
    """Read an address for ``host`` as one for ``bind``, like other servers."""
    host = layer.get("host")
    if host is None or maybe_switch(host.texts[-1]) is not None or "bind" in layer:
        return
    with suppress(ValueError):
        BIND.parse(host.texts[-1])
        layer["bind"] = layer.pop("host")


def _read_environment(environ: Mapping[str, str]) -> _Layer:
    """Read the FASTFILE_ variables; an empty one counts as not set."""
    options = {option.variable: option for option in OPTIONS}
    options["FASTFILE_DIR"] = BY_NAME["directory"]
    layer: _Layer = {}
    for variable, text in environ.items():
        if not variable.startswith("FASTFILE_") or variable.startswith(_NOT_OPTIONS):
            continue
        if _is_service_link(variable, text):
            continue
        option = options.get(variable)
        if option is None:
            raise ConfigError(printable(variable), "the environment", "no such option" + closest(variable, options))
        if text:
            parts = text.split(option.kind.separator) if option.repeatable else [text]
            layer[option.name] = _Setting([part.strip() for part in parts], variable)
    return layer


def _is_service_link(variable: str, text: str) -> bool:
    """Tell whether Kubernetes set the variable for a Service named fastfile: FASTFILE_PORT=tcp://10.0.0.1:80."""
    if variable.endswith(("_SERVICE_HOST", "_SERVICE_PORT")) or "_PORT_" in variable:
        return True
    return variable.endswith("_PORT") and "://" in text


def _read_file(folder: str, named: _Setting | None) -> _Layer:
    """Read the configuration file: the named one, or the one in the folder."""
    if named is not None:
        return _read_named(folder, named) if named.texts else {}
    source = os.path.join(folder, "fastfile.toml")
    content = _read_bytes(source)
    if content is not None:
        return _read_table(_parse_toml(source, content), source)
    path = os.path.join(folder, "pyproject.toml")
    content = _read_bytes(path)
    # Most projects have no such table, and then no TOML parser is imported.
    return {} if content is None or b"fastfile" not in content else _read_project(path, content)


def _read_named(folder: str, named: _Setting) -> _Layer:
    path = os.path.join(folder, named.texts[-1])
    try:
        content = _read_bytes(path)
        if content is not None and os.path.basename(path) == "pyproject.toml":
            return _read_project(path, content)
        if content is not None:
            return _read_table(_parse_toml(path, content), path)
    except ConfigError as error:
        if error.option != _FILE:
            raise
        raise ConfigError("--config", named.source, f"{error.source}: {error.problem}") from None
    raise ConfigError("--config", named.source, f"{printable(path)}: no such file")


def _read_project(path: str, content: bytes) -> _Layer:
    """Read the table [tool.fastfile] of a pyproject.toml."""
    source = f"{path} [tool.fastfile]"
    tool = _parse_toml(path, content).get("tool", {})
    table = tool.get("fastfile", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError("tool.fastfile", path, "expected a table")
    return _read_table(table, source)


def _read_bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(_FILE, printable(path), f"cannot be read: {error.strerror}") from None


def _parse_toml(path: str, content: bytes) -> dict[str, Any]:
    # Imported here: only a configuration file needs it.
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8-sig"))  # Windows editors write a BOM
    except ValueError as error:
        raise ConfigError(_FILE, printable(path), f"not TOML: {error}") from None


def _read_table(table: Mapping[str, object], source: str) -> _Layer:
    layer: _Layer = {}
    for key, value in table.items():
        spelling = key.replace("_", "-").rstrip("-")
        option = BY_KEY.get("directory" if spelling == "dir" else spelling)
        if option is None or option.name == "config":
            raise ConfigError(printable(key), source, "no such option" + closest(spelling, BY_KEY))
        name = option.name
        if name in layer:
            raise ConfigError(option.flag, source, "given twice")
        if value is False and option.off_text is not None:
            texts = [option.off_text] if option.off_text else []
        else:
            texts = [_make_text(option, source, item) for item in _split(option, value)]
        layer[name] = _Setting(texts, source)
    return layer


def _split(option: Option, value: object) -> list[object]:
    """Return the values of a list, or of a table of pairs such as ``header = { X-Robots-Tag = "none" }``."""
    if isinstance(value, dict) and option.pair_separator and all(isinstance(part, str) for part in value.values()):
        return [f"{name}{option.pair_separator}{part}" for name, part in value.items()]
    return value if isinstance(value, list) and option.repeatable else [value]


def _make_text(option: Option, source: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        shown = "true" if value else "false"
        if option.is_switch or option.bare:
            return shown
    elif isinstance(value, int | float):
        return str(value)
    else:
        shown = "a list" if isinstance(value, list) else "a table or a date"
    raise ConfigError(option.flag, source, f"expected {option.kind.expected}, got {shown}")
