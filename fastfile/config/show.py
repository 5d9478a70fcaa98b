"""--print-config: every setting, its value and its source, as a fastfile.toml that configures the same server."""

from __future__ import annotations

from fastfile.config.config import OPTIONS, Config
from fastfile.config.option import Option
from fastfile.terminal import printable

_COLUMN = 40


def make_printout(config: Config) -> str:
    """Return a line of TOML for each setting, with its source as a comment; a setting without a value is a comment."""
    return "".join(_make_line(option, getattr(config, option.name), config.source(option.name)) for option in OPTIONS)


def _make_line(option: Option, value: object, source: str) -> str:
    if value is None:
        setting = f"# {option.key} is not set"
    elif option.secret and value:
        assert isinstance(value, tuple)
        setting = f"# {option.key} is {', '.join(printable(option.kind.show(item)) for item in value)}"
    elif isinstance(value, tuple):
        setting = f"{option.key} = [{', '.join(_make_value(option, item) for item in value)}]"
    else:
        setting = f"{option.key} = {_make_value(option, value)}"
    return f"{setting:<{_COLUMN}} # {printable(source)}\n"


def _make_value(option: Option, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = option.kind.show(value)
    if isinstance(value, int) and text.isdigit():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
