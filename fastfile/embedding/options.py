"""The keywords of the Python API, by what takes them. Made by tests/tools/option_types.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

Path = str | PathLike[str]
Pairs = Mapping[str, Path] | Sequence[str | tuple[str, Path]]


class FilesOptions(TypedDict, total=False):
    """Options of the files and their responses: for every way to serve them."""

    index: Sequence[str] | None
    listing: bool | None
    archive: bool | None
    dotfiles: bool | None
    dotfile: Sequence[str] | None
    follow_symlinks: bool | None
    base: str | None
    mount: Pairs | None
    rules: Literal["auto", "off"] | None
    compress: bool | None
    health: str | None
    mime: Pairs | None
    as_: str | None
    spa: bool | str | None
    clean_urls: bool | None
    trailing_slash: Literal["auto", "always", "never", "keep"] | None
    immutable: str | None
    encoded: Pairs | None
    etag: Literal["auto", "content", "mtime"] | None
    cache_control: Pairs | None
    server_header: bool | None
    header: Pairs | None
    cors: bool | Sequence[str] | None
    coi: bool | None
    csp: str | None
    referrer_policy: str | None
    auth: Sequence[str] | None
    auth_file: Path | None
    allowed_host: Sequence[str] | None
    limit_ranges: int | str | None
    limit_archive: int | str | None
    cache_size: int | str | None
    cache_files: int | str | None
    small_file: int | str | None


class ServerOptions(FilesOptions, total=False):
    """Options of a server that runs in a thread: its connections too."""

    limit_request_line: int | str | None
    limit_field_line: int | str | None
    limit_head: int | str | None
    limit_fields: int | str | None
    limit_empty_lines: int | str | None
    limit_body: int | str | None
    limit_chunk_line: int | str | None
    max_connections: int | str | None
    max_per_client: int | str | None
    http2_streams: int | str | None
    head_timeout: float | str | None
    body_timeout: float | str | None
    idle_timeout: float | str | None
    write_timeout: float | str | None
    write_rate: int | str | None
    disk_timeout: float | str | None
    backlog: int | str | None


class ProcessOptions(ServerOptions, total=False):
    """Options of a server with processes of its own."""

    proxy: Pairs | None
    proxy_timeout: float | str | None
    proxy_connections: int | str | None
    http: Literal["auto", "1", "2"] | None
    trusted_proxy: Sequence[str] | None
    https: bool | None
    tls_cert: Sequence[Path] | None
    tls_key: Sequence[Path] | None
    tls_password_file: Path | None
    tls_min: Literal["1.2", "1.3"] | None
    hsts: bool | int | str | None
    workers: int | str | None
    loop: Literal["auto", "uvloop", "asyncio"] | None
    grace: float | str | None
    drain_timeout: float | str | None
    heartbeat_timeout: float | str | None
    sandbox: Literal["auto", "off", "require"] | None


class RunOptions(ProcessOptions, total=False):
    """All options of the command."""

    release: str | None
    store_cache: Path | None
    store_poll: float | str | None
    store_max_age: float | str | None
    live: bool | None
    run: str | None
    qr: bool | None
    watch_poll: bool | None
    bind: str | None
    port: int | str | None
    host: bool | str | None
    open: bool | str | None
    strict_port: bool | None
    socket_mode: str | None
    metrics: str | None
    proxy_protocol: bool | None
    tls_ticket_key_life: float | str | None
    redirect_http: int | str | None
    user: str | None
    group: str | None
    remote_disk: Literal["auto", "on", "off"] | None
    log_format: Literal["auto", "pretty", "common", "combined", "json", "none"] | None
    log_file: Path | None
    quiet: bool | None
    config: Path | None
