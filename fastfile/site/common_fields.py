"""The header fields of every response. They are made once, from options, and replace defaults of the same name.

All are static: middleware/cors.py owns those that depend on a request's Origin. RFC 9110 §6.3, Fetch §3.2, HTML §7.1.
"""

from __future__ import annotations

from fastfile.config.config import Config
from fastfile.config.header_values import split_field
from fastfile.http.field_changes import Field, FieldChanges
from fastfile.rules.providers import ANY_ORIGIN, choose_provider

# The fields that a script may read, in addition to the few that Fetch always allows (§3.2.3).
EXPOSED = (b"Accept-Ranges", b"Content-Encoding", b"Content-Range", b"Date", b"ETag", b"Server")
PREFLIGHT_MAX_AGE_S = 7200  # the maximum of Chromium
VARY_ORIGIN: Field = (b"Vary", b"Origin")


def common_changes(config: Config) -> FieldChanges:
    """Return the changes to the fields of every response. --header wins over other options for the same field."""
    fields = _option_fields(config)
    if config.cors == ("*",):
        fields += [ANY_ORIGIN, exposed_fields(config)]
    elif config.cors:
        fields.append(VARY_ORIGIN)
    if config.server_header:
        fields.append((b"Server", b"fastfile"))
    provider = FieldChanges(choose_provider(config).fields)
    return provider.then(FieldChanges(tuple(fields))).then(FieldChanges(own_fields(config)))


def preflight_fields(config: Config) -> tuple[Field, ...]:
    """Return the fields of a response to a preflight (Fetch §4.8), if --cors allows any origin.

    A page may send any request field; ``*`` does not include Authorization (Fetch §3.2.3).
    """
    return make_preflight(b"*, Authorization") if config.cors == ("*",) else ()


def make_preflight(allowed_fields: bytes) -> tuple[Field, ...]:
    """Return the fields that allow a browser to send a request with these fields (Fetch §3.2.3)."""
    return (
        (b"Access-Control-Allow-Methods", b"GET, HEAD, OPTIONS"),
        (b"Access-Control-Allow-Headers", allowed_fields),
        (b"Access-Control-Allow-Private-Network", b"true"),
        (b"Access-Control-Max-Age", b"%d" % PREFLIGHT_MAX_AGE_S),
    )


def exposed_fields(config: Config) -> Field:
    """Return the field that lets scripts read fastfile's fields and those of --header.

    It lists names, because with credentials ``*`` is the name of a field (Fetch §3.2.3).
    """
    names = dict.fromkeys((*EXPOSED, *(name for name, _ in own_fields(config))))
    return (b"Access-Control-Expose-Headers", b", ".join(names))


def own_fields(config: Config) -> tuple[Field, ...]:
    """Return the fields of --header. Fields of one name become one list (RFC 9110 §5.3), except Set-Cookie."""
    joined: dict[bytes, Field] = {}
    for name, value in map(split_field, config.header):
        key = name.lower()
        if key == b"set-cookie":
            key += b"%d" % len(joined)
        if key in joined:
            name, value = joined[key][0], joined[key][1] + b", " + value
        joined[key] = (name, value)
    return tuple(joined.values())


def _option_fields(config: Config) -> list[Field]:
    fields: list[Field] = []
    if config.csp is not None:
        fields.append((b"Content-Security-Policy", config.csp.encode()))
    if config.hsts is not None and config.tls_cert:  # never for a certificate of a local CA
        fields.append((b"Strict-Transport-Security", b"max-age=%d" % config.hsts))
    if config.referrer_policy is not None:
        fields.append((b"Referrer-Policy", config.referrer_policy.encode()))
    if config.coi:
        # HTML §7.1.3: a page and the scripts of its workers need both.
        fields += [(b"Cross-Origin-Opener-Policy", b"same-origin"), (b"Cross-Origin-Embedder-Policy", b"require-corp")]
    has_users = config.auth != () or config.auth_file is not None
    if config.coi or has_users:
        # Any origin that may read may also embed. With users it may not: a browser that has logged in would fetch a
        # script or an image for a page of any site, with the password. The origins that --cors names use CORS
        # requests, which this field does not restrict.
        is_open = config.cors == ("*",) and not has_users
        fields.append((b"Cross-Origin-Resource-Policy", b"cross-origin" if is_open else b"same-origin"))
    return fields
