"""The values of --proxy: what is accepted, and the one line that says what is wrong with others."""

from __future__ import annotations

import pytest

from fastfile.config.combinations import tell_useless
from fastfile.config.load import load
from fastfile.config.proxy_values import UPSTREAM, Upstream, parse_upstream, show_upstream
from fastfile.errors import ConfigError

GOOD = [
    ("/api=http://localhost:3000", Upstream("/api", False, "localhost", 3000, "", False, True), "localhost:3000"),
    ("/api/=http://localhost:3000/", Upstream("/api", False, "localhost", 3000, "", False, True), "localhost:3000"),
    ("/api=localhost:3000", Upstream("/api", False, "localhost", 3000, "", False, True), "localhost:3000"),
    ("/api=:3000", Upstream("/api", False, "localhost", 3000, "", False, True), "localhost:3000"),
    ("/api=3000", Upstream("/api", False, "localhost", 3000, "", False, True), "localhost:3000"),
    ("/api=3000/v1,strip", Upstream("/api", False, "localhost", 3000, "/v1", True, True), "localhost:3000"),
    ("/api=ws://[::1]:3000", Upstream("/api", False, "::1", 3000, "", False, True), "[::1]:3000"),
    ("/api=http://api", Upstream("/api", False, "api", 80, "", False, False), "api"),
    ("/a/b=HTTPS://A.example/c/d/", Upstream("/a/b", True, "a.example", 443, "/c/d", False, False), "a.example"),
    ("/a=http://x:1,strip=1", Upstream("/a", False, "x", 1, "", True, False), "x:1"),
    ("/a=http://x:1,strip", Upstream("/a", False, "x", 1, "", True, False), "x:1"),
    ("/a=http://x:1,strip=0,host=client", Upstream("/a", False, "x", 1, "", False, True), "x:1"),
    ("/a=http://127.0.0.1:1,host=upstream", Upstream("/a", False, "127.0.0.1", 1, "", False, False), "127.0.0.1:1"),
    ("/a=unix:/run/a,b.sock,strip=1", Upstream("/a", False, "", 0, "", True, True, "/run/a,b.sock"), "localhost"),
]


@pytest.mark.parametrize(("text", "upstream", "authority"), GOOD)
def test_a_value_is_read_and_shown(text: str, upstream: Upstream, authority: str) -> None:
    assert parse_upstream(text) == upstream
    assert upstream.authority == authority
    assert parse_upstream(show_upstream(upstream)) == upstream


BAD = [
    ("http://localhost:3000", "expected /PATH=URL"),
    ("/api", "expected /PATH=URL"),
    ("/=http://x", '"/" is not a path to forward'),
    ("/a//b=http://x", "empty segment"),
    ("/a%20=http://x", "without escapes"),
    ("/a/..=http://x", "not a path to forward"),
    ("/a=", '"" is not a host and a port'),
    ("/a=ftp://x", 'not "ftp"'),
    ("/a=http://", "is not a host and a port"),
    ("/a=http://x:y", "is not a host and a port"),
    ("/a=http://x:65536", "is not a host and a port"),
    ("/a=http://x:0", "port 0"),
    ("/a=0", "port 0"),
    ("/a=70000", '"localhost:70000" is not a host and a port'),
    ("/a=http://x/?b", "without a query"),
    ("/a=http://x/#b", "without a query"),
    ("/a=http://x/../b", "dot segments"),
    ("/a=http://x/%2e%2e/b", "dot segments"),
    ("/a=http://x,strip=perhaps", "expected strip=1"),
    ("/a=http://x,host=mine", "expected host=client"),
    ("/a=unix:", "path of a Unix socket"),
    ("/a=unix:" + "x" * 200, "at most 107 bytes"),
]


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_a_bad_value_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({"proxy": [text]}, {})
    assert problem in str(refused.value)
    assert str(refused.value).startswith("--proxy (from the command line): ")
    assert "\n" not in str(refused.value)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        load({"proxy": ["/a=http://user:secret@x"]}, {})
    assert "secret" not in str(refused.value)


def test_a_variable_and_a_file_name_several(tmp_path: object) -> None:
    config = load({}, {"FASTFILE_PROXY": "/a=http://x:1 /b=http://y:2,strip=1"})
    assert [upstream.prefix for upstream in config.proxy] == ["/a", "/b"]
    assert UPSTREAM.separator == " "


@pytest.mark.parametrize(
    "given",
    [
        {"proxy": ["/a=:1", "/a/=:2"]},
        {"proxy": ["/a=:1"], "mount": ["/a=x"]},
        {"proxy": ["/a=:1"], "base": ["/a"]},
    ],
)
def test_a_path_is_given_once(given: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="already used"):
        load(given, {})


def test_its_limits_have_no_effect_alone() -> None:
    said = tell_useless(load({"proxy_timeout": ["5s"]}, {}), ".")
    assert "--proxy-timeout has no effect without --proxy" in said
