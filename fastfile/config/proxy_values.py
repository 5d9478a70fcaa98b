"""The values of --proxy: a path, and the upstream that requests beneath it go to."""

from __future__ import annotations

from fastfile.config.values import TARGET, Kind, Unusable, maybe_switch
from fastfile.errors import HTTPError
from fastfile.records import NamedTuple

DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_MAX_UNIX_PATH = 107  # sun_path, less its NUL


class Upstream(NamedTuple):
    """An upstream. ``prefix`` is the path of its requests, without a slash at its end.

    ``host`` is a name, or an address without brackets; for a Unix socket ``socket`` is its path and ``host`` is empty.
    ``base`` is put before the path of each request. ``strips``: the prefix is removed from it first. ``keeps_host``: it
    gets the Host field of the client.
    """

    prefix: str
    is_secure: bool
    host: str
    port: int
    base: str
    strips: bool
    keeps_host: bool
    socket: str = ""

    @property
    def authority(self) -> str:
        """The host, and the port if it is not the default one."""
        if self.socket:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self._scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, for messages and logs."""
        return f"unix:{self.socket}" if self.socket else f"{self._scheme}://{self.authority}{self.base}"

    @property
    def _scheme(self) -> str:
        return "https" if self.is_secure else "http"


def parse_upstream(text: str) -> Upstream:
    """Parse /PATH=URL[,strip=1][,host=client or upstream]. Raises ValueError."""
    prefix, equals, rest = text.partition("=")
    if not equals or not prefix.startswith("/"):
        raise Unusable(f'expected /PATH=URL, such as /api=http://localhost:3000, got "{text}"')
    try:
        prefix = "/" + TARGET.parse(prefix).strip("/")
    except ValueError:
        raise Unusable(f'"{prefix}" is not a path to forward: expected one such as /api, without escapes') from None
    if "//" in prefix:
        raise Unusable(f'"{prefix}" has an empty segment')
    url, strips, keeps_host = _split_flags(rest)
    if url.startswith("unix:"):
        return _parse_unix(prefix, url.removeprefix("unix:"), strips, keeps_host)
    return _parse_url(prefix, url, strips, keeps_host)


def _split_flags(text: str) -> tuple[str, bool, bool | None]:
    """Split the flags off the end; a comma may be part of the URL."""
    strips, keeps_host = False, None
    while True:
        before, comma, flag = text.rpartition(",")
        name, _, value = flag.partition("=")
        if not comma or name not in ("strip", "host"):
            return text, strips, keeps_host
        if name == "strip":
            switch = maybe_switch(value or "on")
            if switch is None:
                raise Unusable(f'"{flag}": expected strip=1 or strip=0')
            strips = switch
        elif value in ("client", "upstream"):
            keeps_host = value == "client"
        else:
            raise Unusable(f'"{flag}": expected host=client or host=upstream')
        text = before


def _parse_unix(prefix: str, path: str, strips: bool, keeps_host: bool | None) -> Upstream:
    if not path or "\0" in path or len(path.encode("utf-8", "surrogateescape")) > _MAX_UNIX_PATH:
        raise Unusable(f'"unix:{path}": expected the path of a Unix socket, of at most {_MAX_UNIX_PATH} bytes')
    return Upstream(prefix, False, "", 0, "", strips, keeps_host is not False, path)


def _parse_url(prefix: str, url: str, strips: bool, keeps_host: bool | None) -> Upstream:
    # Imported here: ipaddress takes 3 ms, and only this option needs it.
    from fastfile.http.authority import is_loopback_host, parse_host

    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", f"localhost{url}" if url.startswith(":") else url
        if rest.partition("/")[0].isdecimal():
            rest = f"localhost:{rest}"  # a port: no host has a name of digits
    secure = _SCHEMES.get(scheme.lower())
    if secure is None:
        raise Unusable(f'"{url}": expected http, https, or unix:PATH, not "{scheme}"')
    authority, slash, path = rest.partition("/")
    if "@" in authority:  # not repeated: it may be a password
        raise Unusable("expected a URL without a user name and a password")
    if not rest.isascii() or not rest.isprintable() or set(rest) & set("?# \\"):
        raise Unusable(f'"{url}": expected a URL without a query or a fragment')
    try:
        host, port = parse_host(authority.encode())
    except HTTPError:
        raise Unusable(f'"{url}": "{authority}" is not a host and a port') from None
    if port == 0:
        raise Unusable(f'"{url}": port 0 cannot be connected to')
    base = ""
    if path.strip("/"):
        try:
            base = "/" + TARGET.parse(slash + path).strip("/")
        except ValueError:
            raise Unusable(f'"{url}": the path has escapes or dot segments') from None
    if keeps_host is None:
        keeps_host = is_loopback_host(host)  # a server elsewhere may have several names
    return Upstream(
        prefix, secure == "https", host.decode().strip("[]"), port or DEFAULT_PORTS[secure], base, strips, keeps_host
    )


def show_upstream(upstream: Upstream) -> str:
    """Return the text that parse_upstream() reads as this value."""
    from fastfile.http.authority import is_loopback_host

    flags = ",strip=1" if upstream.strips else ""
    host = upstream.host
    near = upstream.socket != "" or is_loopback_host(f"[{host}]".encode() if ":" in host else host.encode())
    if upstream.keeps_host != near:
        flags += ",host=client" if upstream.keeps_host else ",host=upstream"
    return f"{upstream.prefix}={upstream.url}{flags}"


UPSTREAM = Kind("/PATH=URL, such as /api=http://localhost:3000", parse_upstream, show_upstream, separator=" ")
