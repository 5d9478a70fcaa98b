"""Options that contradict each other, and options that have no effect together with others."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fastfile.config.config import BY_NAME, Config
from fastfile.config.nearest import closest
from fastfile.errors import ConfigError
from fastfile.terminal import printable

# Options that affect only folders.
_OF_FOLDERS = (
    *("index", "listing", "archive", "dotfiles", "follow_symlinks", "rules", "as_", "spa", "clean_urls"),
    *("trailing_slash", "limit_archive"),
)


def check_together(config: Config) -> None:
    """Raise ConfigError for options that contradict each other."""
    if config.sandbox == "require" and config.follow_symlinks:
        raise ConfigError("--sandbox", config.source("sandbox"), "require cannot be used with --follow-symlinks")
    if "*" in config.cors and len(config.cors) > 1:
        raise ConfigError("--cors", config.source("cors"), "* allows any origin: remove the others")
    if config.cors and any(text.lower().startswith("access-control-") for text in config.header):
        raise ConfigError("--header", config.source("header"), "Access-Control headers cannot be used with --cors")
    if config.proxy_protocol and not config.trusted_proxy:
        problem = "add --trusted-proxy: the PROXY protocol is read from trusted proxies only"
        raise ConfigError("--proxy-protocol", config.source("proxy_protocol"), problem)
    if config.tls_key and len(config.tls_cert) != len(config.tls_key):
        flag, other = ("--tls-key", "--tls-cert") if config.tls_cert else ("--tls-cert", "--tls-key")
        name = flag.lstrip("-").replace("-", "_")
        problem = f"expected one for each {other}, got {len(getattr(config, name))}"
        given = name if getattr(config, name) else other.lstrip("-").replace("-", "_")
        raise ConfigError(flag, config.source(given), problem)
    if config.https and config.tls_cert:
        problem = "cannot be used with --tls-cert, which gives another certificate"
        raise ConfigError("--https", config.source("https"), problem)
    if config.live and config.workers > 1:
        problem = f"it works only with one worker, and --workers is {config.workers}"
        raise ConfigError("--live", config.source("live"), problem)
    if config.location is not None:
        for name in ("live", "run"):
            if getattr(config, name):
                problem = f"it needs a folder, and {printable(config.location)} is a store of releases"
                raise ConfigError(f"--{name}", config.source(name), problem)
    taken = {(config.base or "").strip("/")}
    for path, folder in config.mount:
        if path.strip("/") in taken:
            where = f"{printable(path)} is already used by --base or another --mount"
            raise ConfigError("--mount", config.source("mount"), f"{printable(folder)}: {where}")
        taken.add(path.strip("/"))
    for upstream in config.proxy:
        if upstream.prefix.strip("/") in taken:
            where = f"{printable(upstream.prefix)} is already used by --base, --mount or another --proxy"
            raise ConfigError("--proxy", config.source("proxy"), f"{printable(upstream.url)}: {where}")
        taken.add(upstream.prefix.strip("/"))


def check_page(config: Config, root_path: str) -> None:
    """Raise ConfigError if the page of --spa does not exist. index.html may appear with the first build."""
    if config.spa in (None, "index.html") or not os.path.isdir(root_path):
        return
    assert config.spa is not None
    if not os.path.isfile(os.path.join(root_path, config.spa)):
        pages = [name for name in sorted(os.listdir(root_path)) if name.endswith(".html")]
        problem = f"{printable(config.spa)} is not in {printable(root_path)}{closest(config.spa, pages)}"
        raise ConfigError("--spa", config.source("spa"), problem)


def tell_useless(config: Config, root_path: str) -> list[str]:
    """Return a notice for each option that was given and has no effect."""
    return list(_tell_useless(config, root_path))


def _tell_useless(config: Config, root_path: str) -> Iterator[str]:
    is_socket = config.bind.startswith("unix:")
    if is_socket:
        for name in ("port", "strict_port"):
            if config.given(name):
                yield f"{BY_NAME[name].flag} has no effect: a Unix socket has no port"
    elif config.strict_port and config.port == 0:
        yield "--strict-port has no effect with --port 0"
    if config.socket_mode is not None and not (is_socket or (config.metrics or "").startswith("unix:")):
        yield "--socket-mode has no effect without a Unix socket (--bind unix:PATH)"
    if is_socket and (config.https or config.tls_cert):
        yield f"{'--https' if config.https else '--tls-cert'} has no effect: a Unix socket speaks plain HTTP"
    if config.https and config.hsts is not None:
        yield "--hsts has no effect with --https: other servers of this machine may have no certificate"
    if not config.is_secure:
        for name in ("tls_password_file", "tls_min", "redirect_http", "hsts"):
            if config.given(name):
                yield f"{BY_NAME[name].flag} has no effect without HTTPS"
    if config.qr and not config.host and config.bind == "localhost":
        yield "--qr has no effect without --host: a phone cannot reach this server"
    if not config.proxy:
        for name in ("proxy_timeout", "proxy_connections"):
            if config.given(name):
                yield f"{BY_NAME[name].flag} has no effect without --proxy"
    if config.watch_poll and not config.live:
        yield "--watch-poll has no effect without --live"
    if config.log_file is not None and config.log_format == "none":
        yield "--log-file stays empty: --log-format is none"
    for name in ("release", "store_cache", "store_poll", "store_max_age"):
        if config.location is None and config.given(name):
            yield f"{BY_NAME[name].flag} has no effect without a LOCATION, such as s3://bucket/site"
    if config.store_max_age is not None and config.health is None:
        yield "--store-max-age has no effect without --health"
    if config.release is not None and (config.given("store_poll") or config.given("store_max_age")):
        yield "--store-poll and --store-max-age have no effect with --release: it is not followed"
    if config.location is not None:
        return
    if not os.path.isdir(root_path) and not config.mount:
        for name in _OF_FOLDERS:
            if config.given(name) and getattr(config, name) != BY_NAME[name].default:
                yield f"{BY_NAME[name].flag} has no effect on one file"
        return
    if not config.listing and config.given("archive") and config.archive:
        yield "--archive has no effect with --no-listing: only listed folders are offered as a zip"
    if config.given("limit_archive") and not (config.listing and config.archive):
        yield "--limit-archive has no effect: no folder is offered as a zip"
    if config.spa == "index.html" and not os.path.isfile(os.path.join(root_path, "index.html")):
        yield f"--spa has no effect yet: there is no index.html in {printable(root_path)}"
