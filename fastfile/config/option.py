"""An option: everything about it for the command line, the environment, a configuration file, ``--help`` and docs.

An option group is a record whose fields are made by ``option()`` and ``repeatable()``; config.py joins the groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform, overload

from fastfile.config.values import SWITCH, Kind
from fastfile.records import NamedTuple

T = TypeVar("T")


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
    def flags(self) -> list[str]:
        """The spellings on the command line."""
        long = "--directory" if self.name == "directory" else self.flag
        return [self.short, long] if self.short else [long]

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"FASTFILE_{self.name.rstrip('_').upper()}"

    @property
    def is_switch(self) -> bool:
        """Whether the option is on or off and takes no value."""
        return self.kind is SWITCH

    @property
    def pair_separator(self) -> str:
        """What joins the two parts of a value, such as a header's; empty if values have one part."""
        if not self.repeatable:
            return ""
        return next((mark for mark in (": ", "=") if mark in self.metavar), "")

    @property
    def off_text(self) -> str | None:
        """The text for ``--no-NAME``; empty if that means "not set", None if there is no such flag."""
        if self.is_switch:
            return "false"
        if "off" in self.kind.words:
            return "off"
        return "" if self.default in (None, ()) and self.name != "directory" else None

    @property
    def shown_default(self) -> str:
        """The default as a user would write it; empty if there is none."""
        if isinstance(self.default, tuple):
            return ", ".join(self.kind.show(value) for value in self.default)
        return "" if self.default is None else self.kind.show(self.default)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class OptionGroup:
    """A frozen record of settings, one for each option; the constructor takes those that differ from the defaults.

    ``TITLE`` is the heading in help and in the docs. ``sources`` is a field of Config. No dataclass: ``dataclasses``
    compiles source for each class, a tenth of the work of all imports.
    """

    TITLE: ClassVar[str]
    _options = tuple[Option, ...]()  # without an annotation, which would make it a setting

    def __init_subclass__(cls) -> None:
        inherited = [option for base in cls.__bases__ for option in base.__dict__.get("_options", ())]
        own = [
            value._replace(group=cls.TITLE, name=name) for name, value in vars(cls).items() if isinstance(value, Option)
        ]
        cls._options = (*inherited, *own)

    def __init__(self, *, sources: Mapping[str, str] = MappingProxyType({}), **values: Any) -> None:
        settings = {option.name: option.default for option in self._options}
        if unknown := values.keys() - settings.keys():
            raise TypeError(f"no such option: {', '.join(sorted(unknown))}")
        self.__dict__.update(settings, **values, sources=sources)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set: use replace()")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash(tuple(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"

    def values(self) -> dict[str, Any]:
        """Return every setting by its name, in the order of the groups."""
        return {option.name: getattr(self, option.name) for option in self._options}


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
    """Make the field of an option with one value. The type checker compares kind, default and annotation."""
    return Option(group="", name="", kind=kind, default=default, **texts)


def repeatable(
    kind: Kind[T], *, default: tuple[T, ...] = (), help: str, metavar: str, secret: bool = False, **texts: str
) -> tuple[T, ...]:
    """Make the field of an option that may be given several times: a tuple."""
    option: Any = Option("", "", kind, default, help, metavar, repeatable=True, secret=secret, **texts)
    return option  # type: ignore[no-any-return]


def read_group(group: type[OptionGroup]) -> tuple[Option, ...]:
    """Return the options of a group in the order of its fields."""
    return group._options
