"""Settings that become response fields: accepted values, their form, and values refused before the server starts."""

from __future__ import annotations

import pytest

from fastfile.config.config import OPTIONS
from fastfile.config.header_values import FIELD, MIME, ORIGIN, POLICY, PROTECTED, REFERRER_POLICY
from fastfile.config.load import load
from fastfile.config.values import Kind, Unusable
from fastfile.errors import ConfigError
from fastfile.site.common_fields import own_fields

TAKEN = {
    "a field": (FIELD, "X-Frame-Options: DENY", "X-Frame-Options: DENY"),
    "a field without the space": (FIELD, "X-A:1", "X-A: 1"),
    "white space around a value is trimmed": (FIELD, "X-A: \t 1 \t", "X-A: 1"),
    "a value with colons and inner spaces": (FIELD, "Link: </a b>; rel=x", "Link: </a b>; rel=x"),
    "a policy": (POLICY, "default-src 'self'; img-src *; upgrade-insecure-requests", None),
    "a policy of several, and of hosts": (
        POLICY,
        "script-src https://a.example 'nonce-a', frame-ancestors 'none'",
        None,
    ),
    "a referrer policy": (REFERRER_POLICY, "no-referrer", None),
    "a referrer policy with what comes after it for newer browsers": (
        *(REFERRER_POLICY, "no-referrer,strict-origin-when-cross-origin"),
        "no-referrer, strict-origin-when-cross-origin",
    ),
    "any origin": (ORIGIN, "*", None),
    "an origin": (ORIGIN, "https://app.example", None),
    "an origin with a port": (ORIGIN, "http://localhost:5173", None),
    "an origin by its address": (ORIGIN, "http://[::1]:5173", None),
    "an address without a port": (ORIGIN, "http://[::1]", None),
    "an origin in capitals, which a browser never sends": (ORIGIN, "HTTPS://App.Example", "https://app.example"),
    "the port that is the scheme's own is not sent": (ORIGIN, "https://app.example:443", "https://app.example"),
    "the port of the other scheme is": (ORIGIN, "http://app.example:443", None),
    "an app's own scheme": (ORIGIN, "capacitor://localhost", None),
    "an extension for a type": (MIME, "glsl=text/plain", None),
    "its dot, and capitals": (MIME, ".GLSL=Text/Plain", "glsl=text/plain"),
    "a type with a parameter": (MIME, "txt=text/plain;charset=latin1", "txt=text/plain; charset=latin1"),
}

REFUSED = {
    "no colon": (FIELD, "X-Frame-Options"),
    "no value": (FIELD, "X-Frame-Options:"),
    "no name": (FIELD, ": x"),
    "a space in the name": (FIELD, "X Frame: x"),
    "a line end, and so a second field": (FIELD, "X-A: 1\r\nSet-Cookie: a=b"),
    "a bare line feed": (FIELD, "X-A: 1\nX-B: 2"),
    "a bare carriage return": (FIELD, "X-A: 1\rX-B: 2"),
    "a line end behind the value": (FIELD, "X-A: 1\r\n"),
    "a line end in the name": (FIELD, "X-A\r\nX-B: 2"),
    "a NUL": (FIELD, "X-A: \0"),
    "an escape of a terminal": (FIELD, "X-A: \x1b[31m"),
    "a DEL": (FIELD, "X-A: \x7f"),
    "what is not ASCII": (FIELD, "X-A: café"),
    "a byte that is not UTF-8": (FIELD, "X-A: \udcff"),
    "a policy with a line end": (POLICY, "default-src 'self'\r\nX-A: 1"),
    "a policy that is none": (POLICY, "'self'"),
    "an empty policy": (POLICY, ""),
    "a keyword that lost its quotes, and would be a host": (POLICY, "default-src self"),
    "another of them": (POLICY, "script-src 'self' unsafe-inline"),
    "a referrer policy that browsers do not know": (REFERRER_POLICY, "never"),
    "an origin without a scheme": (ORIGIN, "app.example"),
    "a URL": (ORIGIN, "https://app.example/"),
    "a pattern, which no browser understands": (ORIGIN, "https://*.app.example"),
    "an origin that every sandboxed frame has": (ORIGIN, "null"),
    "an origin with a line end": (ORIGIN, "https://app.example\r\nX-A: 1"),
    "a port that is none": (ORIGIN, "https://app.example:99999"),
    "a port that is missing": (ORIGIN, "https://app.example:"),
    "a user in an origin": (ORIGIN, "https://me@app.example"),
    "an origin without a host": (ORIGIN, "https://"),
    "an extension without a type": (MIME, "glsl"),
    "a type without a subtype": (MIME, "glsl=text"),
    "a type without an extension": (MIME, "=text/plain"),
    "two extensions in one, of which the last would count": (MIME, "tar.gz=application/x"),
    "a type with a line end": (MIME, "glsl=text/plain\r\nX-A: 1"),
    "a parameter that is none": (MIME, "glsl=text/plain; charset"),
}


@pytest.mark.parametrize(("kind", "text", "form"), TAKEN.values(), ids=TAKEN)
def test_it_is_taken(kind: Kind, text: str, form: str | None) -> None:
    assert kind.parse(text) == (text if form is None else form)
    assert kind.parse(str(kind.parse(text))) == kind.parse(text)


@pytest.mark.parametrize(("kind", "text"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(kind: Kind, text: str) -> None:
    option = next(option for option in OPTIONS if option.kind is kind)
    with pytest.raises(ConfigError, match=option.flag):
        load({option.name: [text]}, {})


@pytest.mark.parametrize("name", sorted(PROTECTED))
def test_what_describes_the_message_is_the_servers_to_say(name: str) -> None:
    with pytest.raises(Unusable, match="only be set by the server"):
        FIELD.parse(f"{name.title()}: 1")


def test_a_refusal_names_the_option_and_what_was_wrong() -> None:
    with pytest.raises(ConfigError, match=r"--header \(from the command line\): Content-Type can .*--mime EXT=TYPE"):
        load({"header": ["Content-Type: text/plain"]}, {})
    with pytest.raises(ConfigError, match=r"--csp .*'self'"):
        load({"csp": ["default-src self"]}, {})


def test_a_variable_has_a_field_per_line_since_values_have_commas() -> None:
    config = load({}, {"FASTFILE_HEADER": "X-A: 1, 2\nX-B: 3"})
    assert config.header == ("X-A: 1, 2", "X-B: 3")


@pytest.mark.parametrize(
    "arguments",
    [
        {"cors": ["*"], "header": ["access-control-allow-origin: https://a.example"]},
        {"cors": ["*", "https://a.example"]},
    ],
    ids=["--header may not contradict --cors", "any origin beside a named one says two things"],
)
def test_contradictions_about_origins_are_refused(arguments: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError):
        load(arguments, {})


def test_repeated_fields_are_one_list_but_for_cookies() -> None:
    config = load({"header": ["Set-Cookie: a=1", "Link: <a>", "link: <b>", "Set-Cookie: b=2"]}, {})
    assert own_fields(config) == ((b"Set-Cookie", b"a=1"), (b"Link", b"<a>, <b>"), (b"Set-Cookie", b"b=2"))
