"""The settings of one server as values. ``Config`` is passed down; nothing else is global.

How they are read is in settings.py, what each one means in options.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from fastfile.config.options import BY_NAME, OPTIONS
from fastfile.message import ParserLimits

DEFAULT = "default"


class Endpoint(NamedTuple):
    """Where a server listens: a host and a port, or the path of a Unix socket (then ``path`` is not empty)."""

    host: str
    port: int
    path: str = ""

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all interfaces."""
        return not self.path and self.host in ("", "0.0.0.0", "::")

    @property
    def is_localhost(self) -> bool:
        """Whether the name ``localhost`` leads to it."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def is_near(self) -> bool:
        """Whether only this machine can reach it."""
        return self.path != "" or self.is_localhost or self.host.startswith("127.")


class Config:
    """All settings, typed and immutable; options.py says what each one means.

    ``Config()`` has the defaults; keyword arguments are taken as they are, unchecked: only ``load`` reads text.
    """

    directory: str | None
    index: tuple[str, ...]
    listing: bool
    archive: bool
    dotfiles: bool
    follow_symlinks: bool
    base: str | None
    mount: tuple[tuple[str, str], ...]
    rules: Literal["auto", "off"]
    compress: bool
    health: str | None
    mime: tuple[str, ...]
    as_: str | None
    spa: str | None
    clean_urls: bool
    trailing_slash: Literal["auto", "always", "never", "keep"]
    immutable: str
    cache_control: tuple[tuple[str, str], ...]
    server_header: bool
    header: tuple[str, ...]
    cors: tuple[str, ...]
    coi: bool
    csp: str | None
    referrer_policy: str | None
    auth: tuple[str, ...]
    auth_file: str | None
    bind: str
    port: int
    host: bool
    open: bool
    strict_port: bool
    socket_mode: str | None
    metrics: str | None
    allowed_host: tuple[str, ...]
    workers: int
    loop: Literal["auto", "uvloop", "asyncio"]
    grace: float
    drain_timeout: float
    heartbeat_timeout: float
    user: str | None
    group: str | None
    sandbox: Literal["auto", "off", "require"]
    log_format: Literal["auto", "pretty", "common", "combined", "json", "none"]
    log_file: str | None
    quiet: bool
    limit_request_line: int
    limit_field_line: int
    limit_head: int
    limit_fields: int
    limit_empty_lines: int
    limit_body: int
    limit_chunk_line: int
    limit_ranges: int
    limit_archive: int
    max_connections: int
    max_per_client: int
    head_timeout: float
    body_timeout: float
    idle_timeout: float
    write_timeout: float
    write_rate: int
    backlog: int
    cache_size: int
    cache_files: int
    small_file: int
    _sources: dict[str, str]

    __slots__ = (*BY_NAME, "_sources")

    def __init__(self, *, sources: Mapping[str, str] | None = None, **values: Any) -> None:
        if unknown := values.keys() - BY_NAME.keys():
            raise TypeError(f"no such option: {', '.join(sorted(unknown))}")
        for option in OPTIONS:
            object.__setattr__(self, option.name, values.get(option.name, option.default))
        object.__setattr__(self, "_sources", dict(sources or {}))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Config is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash(tuple(self.values().items()))

    def values(self) -> dict[str, object]:
        """Return every setting by its name, in the order of the table."""
        return {name: getattr(self, name) for name in BY_NAME}

    def replace(self, **values: Any) -> Config:
        """Return a copy with other values."""
        return Config(sources=self._sources, **(self.values() | values))

    def source(self, name: str) -> str:
        """Return where a value came from: the command line, a variable's name, a file's name, or ``default``."""
        return self._sources.get(name, DEFAULT)

    def given(self, name: str) -> bool:
        """Tell whether somebody chose the value, be it the default."""
        return name in self._sources or getattr(self, name) != BY_NAME[name].default

    @property
    def files(self) -> tuple[str, ...]:
        """The configuration files that some value came from."""
        return tuple(sorted({source for source in self._sources.values() if ".toml" in source}))

    @property
    def parser_limits(self) -> ParserLimits:
        """What the parser accepts."""
        return ParserLimits(
            request_line=self.limit_request_line,
            field_line=self.limit_field_line,
            head=self.limit_head,
            fields=self.limit_fields,
            empty_lines=self.limit_empty_lines,
            body=self.limit_body,
            chunk_line=self.limit_chunk_line,
        )
