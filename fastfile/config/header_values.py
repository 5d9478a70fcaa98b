"""The kinds of option value that become response headers, read strictly: no value can forge a line or the framing.

A value with control bytes, line ends or bytes beyond ASCII is refused (RFC 9110 §5.5), and so are the names of headers
that describe the message itself: only the server may send those.
"""

from __future__ import annotations

from fastfile.config.values import Kind, Unusable
from fastfile.http import fields

# Headers that describe the framing, state and content of the message: a second value would break it.
PROTECTED = {
    *("accept-ranges", "age", "allow", "connection", "content-encoding", "content-length", "content-location"),
    *("content-range", "content-type", "date", "etag", "keep-alive", "last-modified", "location"),
    *("proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
}
INSTEAD = {"content-type": "; --mime EXT=TYPE sets it"}

REFERRER_POLICIES = (
    *("no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin"),
    *("same-origin", "strict-origin", "strict-origin-when-cross-origin", "unsafe-url"),
)
# Without quotes, a policy reads these keywords as host names, which is always a mistake.
_QUOTED = {"self", "none", "unsafe-inline", "unsafe-eval", "unsafe-hashes", "strict-dynamic", "wasm-unsafe-eval"}
_QUOTED |= {"report-sample"}
_SCHEME = set("abcdefghijklmnopqrstuvwxyz0123456789+-.")  # RFC 3986 §3.1
_HOST = set("abcdefghijklmnopqrstuvwxyz0123456789-._~[:]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_token(text: str) -> bool:
    """Tell whether the text is a token (RFC 9110 §5.6.2)."""
    return text.isascii() and fields.is_token(text.encode())


def is_field_value(text: str) -> bool:
    """Tell whether the text can be a field's value: visible ASCII, spaces and tabs only inside (RFC 9110 §5.5)."""
    return text != "" and text == text.strip(" \t") and all(" " <= c <= "~" or c == "\t" for c in text)


def split_field(text: str) -> tuple[bytes, bytes]:
    """Return the name and the value of a text parsed by FIELD."""
    name, _, value = text.partition(": ")
    return name.encode(), value.encode()


def _parse_field(text: str) -> str:
    name, colon, value = text.partition(":")
    value = value.strip(" \t")
    if not colon or not is_token(name) or not is_field_value(value):
        raise ValueError(text)
    if name.lower() in PROTECTED:
        raise Unusable(f"{name} can only be set by the server{INSTEAD.get(name.lower(), '')}")
    return f"{name}: {value}"


def _parse_policy(text: str) -> str:
    """Read a Content-Security-Policy. Check its syntax (CSP3 §2.2), not the directives: browsers add new ones."""
    if not is_field_value(text):
        raise ValueError(text)
    for directive in filter(None, (part.split() for part in text.replace(",", ";").split(";"))):
        name, *values = directive
        if not name.replace("-", "").isalnum():
            raise ValueError(text)
        for value in values:
            if value.lower() in _QUOTED:
                raise Unusable(f"{name} {value}: put the keyword in single quotes, '{value}'")
    return text


def _parse_referrer_policy(text: str) -> str:
    names = [name.strip() for name in text.split(",")]
    if set(names) - set(REFERRER_POLICIES):
        raise ValueError(text)
    return ", ".join(names)


def _parse_origin(text: str) -> str:
    """Read an origin as browsers write it (RFC 6454 §6.2): in lower case, without the default port of its scheme."""
    if text == "*":
        return text
    origin = text.lower()
    scheme, _, host = origin.partition("://")
    port = host[host.rfind("]") + 1 :].partition(":")[2]  # an IPv6 address has colons too, in its brackets
    name = host.removesuffix(f":{port}")
    if set(scheme) - _SCHEME or set(name) - _HOST or not scheme[:1].isalpha() or not name:
        raise ValueError(text)
    if host != name and not (port.isdigit() and int(port) < 65536):
        raise ValueError(text)
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, ":"))


def _parse_media_type(text: str) -> str:
    """Read ``type/subtype`` with parameters, their values tokens (RFC 9110 §8.3.1)."""
    essence, *parameters = (part.strip(" \t") for part in text.split(";"))
    type_, _, subtype = essence.lower().partition("/")
    if not is_token(type_) or not is_token(subtype):
        raise ValueError(text)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if not is_token(name) or not is_token(value):
            raise ValueError(text)
    return "; ".join([f"{type_}/{subtype}", *parameters])


def _parse_mime(text: str) -> str:
    extension, equals, type_ = text.partition("=")
    extension = extension.removeprefix(".").lower()
    if not equals or not extension or not extension.isprintable() or set(extension) & set("./ "):
        raise ValueError(text)
    return f"{extension}={_parse_media_type(type_.strip(' '))}"


FIELD = Kind("NAME: VALUE, in printable ASCII", _parse_field, separator="\n")
POLICY = Kind("directives such as default-src 'self', in printable ASCII", _parse_policy)
REFERRER_POLICY = Kind("out of " + ", ".join(REFERRER_POLICIES), _parse_referrer_policy, words=REFERRER_POLICIES)
ORIGIN = Kind("*, or an origin such as https://app.example:8443 without a path", _parse_origin)
MIME = Kind("EXT=TYPE, such as glsl=text/plain", _parse_mime)
