"""The request target (RFC 9112 §3.2, RFC 3986): from the bytes of the request-line to the name of a file, and back.

Owns percent-coding and dot segments. It does not know the disk: storage/ keeps lookups beneath the root. The checks
here make good error messages; they are not the confinement.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Collection

from fastfile.errors import HTTPError, make_not_found
from fastfile.http.authority import parse_host
from fastfile.records import NamedTuple

# PATH_MAX less its NUL, and NAME_MAX: no file has a longer path, and the system would fail with ENAMETOOLONG.
PATH_LIMIT = 4095
SEGMENT_LIMIT = 255

UNRESERVED = b"-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 3986 §2.3
PATH_SAFE = UNRESERVED + b"/"
_QUERY_SAFE = bytes(range(0x21, 0x7F))
_ESCAPES = tuple(b"%%%02X" % byte for byte in range(256))  # RFC 3986 §2.1: upper case is the normal form


class Target(NamedTuple):
    """A request target, split and decoded."""

    path: bytes  # decoded, dot segments resolved, no slash at either end; b"" is the root
    is_directory: bool  # the path ended with "/" or a dot segment: it requests a directory
    query: bytes | None  # raw, between the first "?" and "#"; None if there was no "?"
    authority: bytes | None  # of the absolute-form: it replaces the Host field (RFC 9112 §3.2.2)
    asterisk: bool  # "*": only for OPTIONS (RFC 9112 §3.2.4)


_ASTERISK = Target(b"", False, None, None, True)


def parse_target(target: bytes, is_secure: bool = False) -> Target:
    """Parse a target in origin-form, absolute-form or asterisk-form; ``is_secure``: it arrived over TLS.

    Raises HTTPError: 400 for other forms, a bad escape, a NUL, an invalid authority, and dot segments that climb above
    the root; 404 for a path that no file can have; 421 for https over a connection that is not secure.
    """
    if target == b"*":
        return _ASTERISK
    authority, raw_path, query = split_target(target, is_secure)
    path, is_directory = _resolve(_decode(raw_path))
    if b"%2" in raw_path and b"%2f" in raw_path.lower():
        is_directory = _judge_encoded_slashes(raw_path, path, is_directory)
    _check_name(path)
    return Target(path, is_directory, query, authority, False)


def split_target(target: bytes, is_secure: bool) -> tuple[bytes | None, bytes, bytes | None]:
    """Return the authority of an absolute-form, the path as it was sent, and the query. Raises as parse_target()."""
    authority = None
    rest = target.partition(b"#")[0]
    if not target.startswith(b"/"):
        authority, rest = _split_absolute_form(rest, is_secure)
    raw_path, mark, query = rest.partition(b"?")
    return authority, raw_path, query if mark else None


def check_escapes(raw_path: bytes) -> None:
    """Raise HTTPError 400 for a bad escape, and for a NUL."""
    _decode(raw_path)


def _split_absolute_form(target: bytes, is_secure: bool) -> tuple[bytes, bytes]:
    """Return the valid authority of an absolute-form, and its path (beginning with a slash) with the query."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):  # RFC 3986 §3.1: schemes are case-insensitive
        raise HTTPError(400, "The request target is neither a path nor an http URI.")
    path_start = rest.find(b"/")
    query_start = rest.find(b"?")
    ends = [index for index in (path_start, query_start) if index >= 0]
    end = min(ends, default=len(rest))
    authority, path = rest[:end], rest[end:]
    parse_host(authority)  # refuses userinfo (RFC 9110 §4.2.4) and an empty host (§4.2.1)
    if scheme.lower() == b"https" and not is_secure:
        # RFC 9110 §7.4: MUST be rejected unless it came over a connection that is secured for its origin; no gateway
        # that we could trust is known, and those that end TLS send the origin-form.
        raise HTTPError(421, "This connection is not encrypted, so it does not serve https URLs.")
    # RFC 9110 §4.2.3: an empty path is the same as "/".
    return authority, path if path.startswith(b"/") else b"/" + path


def _decode(raw_path: bytes) -> bytes:
    """Percent-decode once (RFC 3986 §2.4)."""
    if not raw_path.isascii():  # RFC 9112 §3.2; the parser lets them pass in a query, as curl sends it
        raise HTTPError(400, "The request target has a byte above ASCII that is not percent-encoded.")
    path = raw_path
    if b"%" in raw_path:
        first, *rest = raw_path.split(b"%")
        try:
            path = first + b"".join([unhexlify(part[:2].ljust(2, b"%")) + part[2:] for part in rest])
        except ValueError:
            raise HTTPError(400, "The request target has a percent sign without two hexadecimal digits.") from None
    if b"\0" in path:
        raise HTTPError(400, "The request target contains a NUL byte.")
    return path


def _resolve(path: bytes) -> tuple[bytes, bool]:
    """Return the path without empty and dot segments and outer slashes, and whether it requests a directory.

    RFC 3986 §5.2.4 drops a ".." at the root. Here it is an error, because no well-meaning client sends it.
    """
    if b"//" not in path and b"/." not in path:
        return (path[1:-1], True) if path.endswith(b"/") else (path[1:], False)
    segments: list[bytes] = []
    parts = path.split(b"/")
    for part in parts:
        if part == b"..":
            if not segments:
                raise HTTPError(400, "The request target climbs above the root.")
            segments.pop()
        elif part not in (b"", b"."):
            segments.append(part)
    return b"/".join(segments), parts[-1] in (b"", b".", b"..")


def _judge_encoded_slashes(raw_path: bytes, path: bytes, is_directory: bool) -> bool:
    """Return whether a path with an encoded slash requests a directory. Raises HTTPError 400 beside a double dot.

    RFC 3986 §2.2 lets a server decide what an encoded slash means: data inside a segment, or a separator. No file name
    contains a slash, so as data it could name nothing; npm and pnpm request /@scope%2fname from a registry, and nginx,
    Caddy, http.server, serve and http-server all read it as a slash. A proxy in front may see one segment where
    fastfile sees two, so a double dot is refused with it: it could lead from a path that the proxy allows to one that
    it refuses. At the end it is not a slash: a page there would resolve its references against another folder than its
    own.
    """
    if b".." in raw_path.replace(b"%2e", b".").replace(b"%2E", b"."):
        segments = _decode(raw_path).split(b"/")
        if b".." in segments:
            raise HTTPError(400, "The request target contains both a double dot and an encoded slash.")
    return is_directory and (path == b"" or raw_path[-3:].lower() != b"%2f")


def _check_name(path: bytes) -> None:
    """Raise 404 for a path that no file can have."""
    if len(path) <= SEGMENT_LIMIT:
        return
    if len(path) > PATH_LIMIT or any(len(segment) > SEGMENT_LIMIT for segment in path.split(b"/")):
        raise make_not_found()


def encode_path(path: bytes) -> bytes:
    """Percent-encode every byte except the slash and unreserved characters (RFC 3986 §2.3).

    No slash is added or removed: a caller that builds a reference puts exactly one before it.
    """
    return _encode(path, PATH_SAFE)


def make_location(path: bytes, query: bytes | None, is_directory: bool) -> bytes:
    """Return the reference to a Target's path on this site: it begins with exactly one slash, so it stays on the site.

    The query is kept unchanged, except that bytes that a field cannot contain are encoded, so that no caller can split
    a response with it.
    """
    location = b"/" + encode_path(path.strip(b"/"))
    if is_directory and location != b"/":
        location += b"/"
    return location if query is None else location + b"?" + encode_query(query)


def encode_query(query: bytes) -> bytes:
    """Percent-encode the bytes of a query that a field cannot contain; the others stay unchanged."""
    return _encode(query, _QUERY_SAFE)


def encode_value(value: bytes) -> bytes:
    """Percent-encode every byte that is not unreserved, so that the result is one value anywhere."""
    return _encode(value, UNRESERVED)


def _encode(value: bytes, safe: bytes) -> bytes:
    if not value.translate(None, safe):
        return value
    return b"".join([value[i : i + 1] if byte in safe else _ESCAPES[byte] for i, byte in enumerate(value)])


def join(folder: bytes, name: bytes) -> bytes:
    """Return the path of a name in a folder; both as a Target has them."""
    return folder + b"/" + name if folder else name


def is_hidden(path: bytes, shown: Collection[bytes] = ()) -> bool:
    """Tell whether a segment of a Target's path begins with a dot, other than a first ``.well-known`` (RFC 8615).

    The names in ``shown`` do not count.
    """
    if shown:
        path = b"/".join([name for name in path.split(b"/") if name not in shown])
    if b"/." in path:
        return True
    return path.startswith(b".") and path.partition(b"/")[0] != b".well-known"
