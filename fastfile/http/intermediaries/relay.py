"""The fields of a message that is forwarded to an upstream, and of the response that comes back (RFC 9110 §7.6).

Pure functions. Fields of the connection and of the framing never pass: each side writes its own.
"""

from __future__ import annotations

import ipaddress

from fastfile.errors import HTTPError
from fastfile.http.authority import is_loopback_host, parse_host
from fastfile.http.fields import OWS, is_token, split_list
from fastfile.message import HTTP_2, Field, RequestHead
from fastfile.records import NamedTuple

PSEUDONYM = b"fastfile"  # of Via
MAX_PASSES = 5  # through servers of that name: a request that passed more often is in a loop
# RFC 9110 §7.6.1, and fields of the framing, which the sender of a message writes anew.
_OF_CONNECTION = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"content-length", b"http2-settings", b"proxy-authenticate", b"proxy-authorization"),
    )
)
# An upstream trusts these fields about the client, and a client may write anything into them.
_OF_CLIENT = frozenset(
    (
        *(b"host", b"expect", b"max-forwards", b"via", b"forwarded", b"x-real-ip"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port"),
        *(b"x-forwarded-server", b"x-forwarded-ssl", b"x-forwarded-prefix", b"x-forwarded-scheme"),
    )
)
_WEBSOCKET: tuple[Field, ...] = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))
_CLOSE: tuple[Field, ...] = ((b"Connection", b"close"),)
_RECEIVED = (b"1.0", b"1.1", b"2.0")  # by minor_version


class Names(NamedTuple):
    """The names of an upstream, and of this server, for one exchange.

    ``prefix`` is the path of the upstream here, and ``base`` its path there; ``strips``: one replaces the other.
    ``upstream`` is its authority, ``client`` that of the request, None if it has none.
    """

    prefix: bytes
    base: bytes
    strips: bool
    upstream: bytes
    client: bytes | None
    is_secure: bool


def is_websocket(head: RequestHead) -> bool:
    """Tell whether a request opens a WebSocket (RFC 6455 §4.1). Other upgrades, such as h2c, are not forwarded."""
    upgrade = head.field(b"upgrade")
    if upgrade is None or head.minor_version != 1 or head.method != b"GET":
        return False
    names = {name.lower() for name in split_list(upgrade)}
    options = {name.lower() for name in split_list(head.field(b"connection") or b"")}
    return b"websocket" in names and b"upgrade" in options


def is_looping(head: RequestHead) -> bool:
    """Tell whether a request has passed through servers of this name too often."""
    via = head.field(b"via")
    return via is not None and sum(entry.endswith(b" " + PSEUDONYM) for entry in split_list(via)) >= MAX_PASSES


def make_request_fields(
    head: RequestHead, host: bytes, authority: bytes | None, upgrades: bool, hides_credentials: bool
) -> list[Field]:
    """Return the fields of the forwarded request, but for those of its framing.

    ``host`` is for the upstream, ``authority`` that of the client. ``upgrades``: it opens a WebSocket.
    ``hides_credentials``: Authorization is for this server.
    """
    fields = _split_lines(head.field_lines)
    dropped = _named_by_connection(fields) | _OF_CONNECTION | _OF_CLIENT
    if hides_credentials:
        dropped |= {b"authorization"}
    # Programs behind a gateway interface read x_forwarded_for as X-Forwarded-For (RFC 3875 §4.1.18).
    kept = [field for field in fields if field[0].lower().replace(b"_", b"-") not in dropped]
    forwarded: list[Field] = [(b"Host", host), *kept]
    if head.peer:
        forwarded.append((b"X-Forwarded-For", str(_plain_address(head.peer)).encode()))
    if authority:
        forwarded.append((b"X-Forwarded-Host", authority))
    forwarded.append((b"X-Forwarded-Proto", b"https" if head.is_secure else b"http"))
    # RFC 9110 §7.6.3: a gateway MUST send it.
    passed = [value for name, value in fields if name.lower() == b"via"]
    forwarded.append((b"Via", b", ".join([*passed, b"%b %b" % (_RECEIVED[head.minor_version], PSEUDONYM)])))
    hops = head.field(b"max-forwards")
    if hops is not None and head.method == b"OPTIONS" and _is_number(hops):  # §7.6.2
        forwarded.append((b"Max-Forwards", b"%d" % (int(hops) - 1)))
    return [*forwarded, *(_WEBSOCKET if upgrades else _CLOSE)]


def is_last_recipient(head: RequestHead) -> bool:
    """Tell whether a request must not be forwarded (RFC 9110 §7.6.2)."""
    hops = head.field(b"max-forwards")
    return hops is not None and head.method == b"OPTIONS" and _is_number(hops) and int(hops) == 0


def make_response_fields(fields: list[Field], names: Names) -> tuple[Field, ...]:
    """Return the fields of a response for the client, but for those of its framing and its connection."""
    # This server dates its responses, as a cache would need for one without a date (RFC 9110 §6.6.1).
    dropped = _named_by_connection(fields) | _OF_CONNECTION | {b"date"}
    kept: list[Field] = []
    for name, value in fields:
        lowered = name.lower()
        if lowered in dropped:
            continue
        if lowered in (b"location", b"content-location"):
            value = rewrite_location(value, names)
        elif lowered == b"set-cookie":
            value = rewrite_cookie(value, names)
        kept.append((name, value))
    return tuple(kept)


def make_upgrade_fields(fields: list[Field]) -> tuple[Field, ...]:
    """Return the fields of the 101 that opens a WebSocket."""
    dropped = (_named_by_connection(fields) | _OF_CONNECTION | {b"date"}) - {b"sec-websocket-accept"}
    return (*_WEBSOCKET[::-1], *(field for field in fields if field[0].lower() not in dropped))


def rewrite_location(value: bytes, names: Names) -> bytes:
    """Return a reference to the upstream as a path of this server; any other stays unchanged (RFC 3986 §4.2)."""
    scheme, colon, rest = value.partition(b":")
    if colon and scheme.lower() in (b"http", b"https") and rest.startswith(b"//"):
        rest = rest[2:]
    elif value.startswith(b"//"):
        scheme, rest = b"", value[2:]
    elif value.startswith(b"/"):
        return _map_path(value, names)
    else:
        return value
    ends = [index for index in map(rest.find, (b"/", b"?", b"#")) if index >= 0]
    end = min(ends, default=len(rest))
    authority, path = rest[:end], rest[end:]
    own = {_normal(names.upstream, b"http"), _normal(names.upstream, b"https")}
    if names.client is not None:
        own |= {_normal(names.client, b"http"), _normal(names.client, b"https")}
    found = _normal(authority, scheme.lower())
    if found is None or found not in own:
        return value
    return _map_path(path if path.startswith(b"/") else b"/" + path, names)


def _map_path(path: bytes, names: Names) -> bytes:
    """Return the path here of a path of the upstream, with exactly one slash before it: it stays on this site."""
    base = names.base
    if base and path.startswith(base) and path[len(base) : len(base) + 1] in (b"", b"/", b"?", b"#"):
        path = path[len(base) :]
    elif base:
        return b"/" + path.lstrip(b"/\\")  # outside of what is forwarded
    return b"/" + ((names.prefix if names.strips else b"") + path).lstrip(b"/\\")


def rewrite_cookie(value: bytes, names: Names) -> bytes:
    """Return a Set-Cookie that a browser accepts from this server (RFC 6265 §5.3).

    Domain goes, unless it holds for this server too; Secure goes in plain HTTP; Path follows the prefix.
    """
    pair, *attributes = value.split(b";")
    name = pair.partition(b"=")[0].strip(OWS).lower()
    needs_secure = name.startswith((b"__secure-", b"__host-"))  # without it, browsers refuse these
    kept = [pair]
    for attribute in attributes:
        key, _, argument = attribute.partition(b"=")
        key, argument = key.strip(OWS).lower(), argument.strip(OWS)
        if key == b"domain" and not _is_within(names.client, argument):
            continue
        # SameSite=None and Partitioned are refused without Secure.
        is_for_secure = key in (b"secure", b"partitioned") or (key == b"samesite" and argument.lower() == b"none")
        if is_for_secure and not names.is_secure and not needs_secure:
            continue
        if key == b"path" and argument.startswith(b"/") and not name.startswith(b"__host-"):
            mapped = _map_path(argument, names)
            attribute = b" Path=%b" % (mapped if mapped == b"/" else mapped.rstrip(b"/"))
        kept.append(attribute)
    return b";".join(kept)


def _is_within(authority: bytes | None, domain: bytes) -> bool:
    """Tell whether a cookie of a domain is for a host (RFC 6265 §5.1.3)."""
    host = _host_of(authority)
    domain = domain.lower().removeprefix(b".")
    return domain != b"" and (host == domain or host.endswith(b"." + domain))


def _host_of(authority: bytes | None) -> bytes:
    if authority is None:
        return b""
    try:
        return parse_host(authority)[0]
    except HTTPError:
        return b""


def _normal(authority: bytes, scheme: bytes) -> tuple[bytes, int] | None:
    """Return the host and the port of an authority; None if it is not valid."""
    try:
        host, port = parse_host(authority)
    except HTTPError:
        return None
    return b"localhost" if is_loopback_host(host) else host, port or (443 if scheme == b"https" else 80)


def _split_lines(lines: bytes) -> list[Field]:
    """Split a field section of a request, whose syntax is valid."""
    fields = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name, value.strip(OWS)))
    return fields


def _named_by_connection(fields: list[Field]) -> set[bytes]:
    """Return the names, in lower case, that Connection says are for this connection alone (RFC 9110 §7.6.1)."""
    values = [value for name, value in fields if name.lower() == b"connection"]
    return {name.lower() for value in values for name in split_list(value) if is_token(name)}


def _plain_address(peer: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(peer)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) <= 9


assert len(_RECEIVED) == HTTP_2 + 1
