"""An option: what the command line, the environment, a configuration file, ``--help`` and the docs know about it.

An option group is a dataclass whose fields are made by ``option()`` and ``repeatable()``; config.py joins the groups.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

from fastfile.config.values import SWITCH, Kind

T = TypeVar("T")

_METADATA = "option"


class Option(NamedTuple):
    """One option. ``name`` is the attribute of Config; ``help`` is one or two sentences.

    ``metavar`` stands for the value in help; a switch has none. ``bare`` is the value of the option without "=": such
    an option never takes its value from the next argument. A ``secret`` value is never shown, neither by an error nor
    by --print-config. A limit has a ``reason``, and ``peers`` says what other servers do.
    """

    group: str
    name: str
    kind: Kind[Any]
    default: object
    help: str
    metavar: str = ""
    short: str = ""
    bare: str = ""
    repeatable: bool = False
    reason: str = ""
    peers: str = ""
    secret: bool = False

    @property
    def key(self) -> str:
        """The key in a configuration file; a name that is a Python keyword has an underscore after it."""
        return self.name.rstrip("_").replace("_", "-")

    @property
    def flag(self) -> str:
        """The spelling on the command line; the folder is the one argument without a flag."""
        return self.metavar if self.name == "directory" else f"--{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"FASTFILE_{self.name.rstrip('_').upper()}"

    @property
    def is_switch(self) -> bool:
        """Whether the option is on or off and takes no value."""
        return self.kind is SWITCH

    @property
    def off_text(self) -> str | None:
        """The text that ``--no-NAME`` stands for; empty where that is "not set", None where there is no such flag."""
        if self.is_switch:
            return "false"
        if "off" in self.kind.words:
            return "off"
        return "" if self.default in (None, ()) and self.name != "directory" else None

    @property
    def shown_default(self) -> str:
        """The default as a user would write it; empty where there is none."""
        if isinstance(self.default, tuple):
            return ", ".join(self.kind.show(value) for value in self.default)
        return "" if self.default is None else self.kind.show(self.default)


class OptionGroup:
    """The base of an option group, which is a dataclass. ``TITLE`` is its heading in help and in the docs."""

    TITLE: ClassVar[str]


@overload
def option(
    kind: Kind[T],
    *,
    default: None = None,
    help: str,
    metavar: str = ...,
    short: str = ...,
    bare: str = ...,
    reason: str = ...,
    peers: str = ...,
) -> T | None: ...


@overload
def option(
    kind: Kind[T],
    *,
    default: T,
    help: str,
    metavar: str = ...,
    short: str = ...,
    bare: str = ...,
    reason: str = ...,
    peers: str = ...,
) -> T: ...


def option(kind: Kind[Any], *, default: object = None, **texts: Any) -> Any:
    """Make the dataclass field of an option with one value. The type checker compares kind, default and annotation."""
    return field(default=default, metadata={_METADATA: Option(group="", name="", kind=kind, default=default, **texts)})


def repeatable(
    kind: Kind[T], *, default: tuple[T, ...] = (), help: str, metavar: str, secret: bool = False, **texts: str
) -> tuple[T, ...]:
    """Make the dataclass field of an option that may be given several times: a tuple."""
    row = Option("", "", kind, default, help, metavar, repeatable=True, secret=secret, **texts)
    return field(default=default, metadata={_METADATA: row})


def read_group(group: type[OptionGroup]) -> list[Option]:
    """Return the options of a group in the order of its fields."""
    return [
        row.metadata[_METADATA]._replace(group=group.TITLE, name=row.name)
        for row in fields(group)  # type: ignore[arg-type]
    ]
