"""An option: a row of a table from which the command line, the settings, ``--help`` and the documentation are made."""

from __future__ import annotations

from typing import NamedTuple

from fastfile.config.values import SWITCH, Kind


class Option(NamedTuple):
    """One row: ``name`` is the attribute of Config; ``metavar`` is empty for a switch; ``help`` is one sentence.

    A ``secret`` value is never shown, neither by an error nor by --print-config.
    """

    group: str
    name: str
    kind: Kind
    default: object
    metavar: str
    help: str
    short: str = ""
    bare: str = ""  # the value of the option without "=": its value is never the next argument
    repeatable: bool = False
    reason: str = ""
    peers: str = ""
    secret: bool = False

    @property
    def key(self) -> str:
        """The key in a configuration file; the name of one that is a word of Python has an underscore after it."""
        return self.name.rstrip("_").replace("_", "-")

    @property
    def flag(self) -> str:
        """The spelling on the command line; the one argument that is not an option goes by its metavar."""
        return self.metavar if self.name == "directory" else f"--{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"FASTFILE_{self.name.rstrip('_').upper()}"

    @property
    def negatable(self) -> bool:
        """Whether the option is a switch, which ``--no-NAME`` turns off."""
        return self.kind is SWITCH

    @property
    def shown_default(self) -> str:
        """The default as a user would write it; empty where there is none."""
        if isinstance(self.default, tuple):
            return ", ".join(self.kind.show(value) for value in self.default)
        return "" if self.default is None else self.kind.show(self.default)
