"""The settings of one server as values. ``Config`` is passed as an argument; there is no global state.

load.py reads them; options/ defines each one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastfile.config.option import Option, read_group
from fastfile.config.options.content import BuildOptions, ContentOptions
from fastfile.config.options.dev import DevOptions
from fastfile.config.options.limits import LimitOptions
from fastfile.config.options.releases import ReleaseOptions
from fastfile.config.options.responses import AccessOptions, HeaderOptions
from fastfile.config.options.server import FileOptions, ListenOptions, LogOptions, ProcessOptions
from fastfile.config.options.tls import TlsOptions
from fastfile.parser_limits import ParserLimits
from fastfile.records import NamedTuple

DEFAULT = "default"


class Endpoint(NamedTuple):
    """Where a server listens: a host and a port, or the path of a Unix socket (then ``path`` is not empty).

    The host ``localhost`` is both loopback addresses. ``is_secure``: it speaks HTTPS.
    """

    host: str
    port: int
    path: str = ""
    is_secure: bool = False

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all interfaces."""
        return not self.path and self.host in ("", "0.0.0.0", "::")

    @property
    def is_near(self) -> bool:
        """Whether only this machine can reach it."""
        return self.path != "" or self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def local_host(self) -> str:
        """The host of a URL that leads from this machine to this server, and to no other on the same port."""
        return {"::": "localhost", "": "localhost", "0.0.0.0": "127.0.0.1"}.get(self.host, self.host)


class Config(
    ContentOptions,
    BuildOptions,
    HeaderOptions,
    AccessOptions,
    ReleaseOptions,
    DevOptions,
    ListenOptions,
    TlsOptions,
    ProcessOptions,
    LogOptions,
    FileOptions,
    LimitOptions,
):
    """All settings, typed and immutable.

    ``Config()`` has the defaults. Keyword arguments are not checked: only ``load`` parses text. ``sources`` has the
    source of each value, by option name.
    """

    sources: Mapping[str, str] = MappingProxyType({})

    def replace(self, **values: Any) -> Config:
        """Return a copy with other values."""
        return Config(**{**vars(self), **values})

    def source(self, name: str) -> str:
        """Return the source of a value: the command line, a variable's name, a file's name, or ``default``."""
        return self.sources.get(name, DEFAULT)

    def given(self, name: str) -> bool:
        """Tell whether the user chose the value, even if it is the default."""
        return name in self.sources or getattr(self, name) != BY_NAME[name].default

    @property
    def location(self) -> str | None:
        """The store of releases that DIR names, such as s3://bucket/prefix; None if it names a folder or file."""
        scheme, separator, _ = (self.directory or "").partition("://")
        return self.directory if separator and scheme.isalnum() else None

    @property
    def is_secure(self) -> bool:
        """True if the server speaks HTTPS. A Unix socket never does."""
        return (self.https or self.tls_cert != ()) and not self.bind.startswith("unix:")

    @property
    def files(self) -> tuple[str, ...]:
        """The configuration files that some value came from."""
        return tuple(sorted({source for source in self.sources.values() if ".toml" in source or source == self.config}))

    @property
    def parser_limits(self) -> ParserLimits:
        """The limits of the request parser."""
        return ParserLimits(
            request_line=self.limit_request_line,
            field_line=self.limit_field_line,
            head=self.limit_head,
            fields=self.limit_fields,
            empty_lines=self.limit_empty_lines,
            body=self.limit_body,
            chunk_line=self.limit_chunk_line,
        )


OPTIONS: tuple[Option, ...] = read_group(Config)
BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
BY_KEY: dict[str, Option] = {option.key: option for option in OPTIONS}
