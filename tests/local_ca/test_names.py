"""The names that a local certificate may be for."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from fastfile.local_ca.authority import choose_domains
from fastfile.local_ca.names import host_names, is_beneath, is_local, parse_name

NAMES = [
    ("localhost", "localhost"),
    ("App.Test", "app.test"),
    ("app.test.", "app.test"),
    ("*.app.test", "*.app.test"),
    ("a_b.internal", "a_b.internal"),
    ("bücher.test", "xn--bcher-kva.test"),
    ("127.0.0.1", ip_address("127.0.0.1")),
    ("[::1]", ip_address("::1")),
    ("fe80::1", ip_address("fe80::1")),
]
NO_NAMES = [
    *("", ".", "*", "*.", "a..test", "a.*.test", "-a.test", "a-.test", "a b.test", "http://a.test/", "a.test:80"),
    *("1.2.3", "1.2.3.4.5", "256.1.1.1", "a/b", "a\n.test", "ü" * 80, "a" * 64 + ".test", "a." * 130 + "test"),
]
LOCAL = [
    *("localhost", "app.localhost", "nas.local", "shop.test", "x.internal", "router.home.arpa"),
    *(
        "127.1.2.3",
        "10.0.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "100.100.1.2",
        "::1",
        "fd00::1",
        "fe80::1",
    ),
]
NOT_LOCAL = [
    *("example.com", "localhost.com", "mylocal", "contest", "arpa", "evil-test", "dev"),
    *("8.8.8.8", "172.32.0.1", "192.169.0.1", "11.0.0.1", "100.128.0.1", "::2", "2606:4700::1", "0.0.0.0"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_a_name_is_read_as_a_certificate_has_it(text: str, name: object) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the encoding of IDNA has messages of its own
        parse_name(text)


@pytest.mark.parametrize("text", LOCAL)
def test_a_local_name_is_local(text: str) -> None:
    assert is_local(parse_name(text))


@pytest.mark.parametrize("text", NOT_LOCAL)
def test_a_name_of_the_internet_is_not_local(text: str) -> None:
    assert not is_local(parse_name(text))


def test_a_name_is_beneath_a_domain_by_whole_labels() -> None:
    assert is_beneath("test", "test")
    assert is_beneath("a.b.test", "test")
    assert not is_beneath("contest", "test")


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("Ada", ["ada", "ada.local"]),
        ("ada.local", ["ada.local"]),
        ("build-7.corp.example", ["build-7.corp.example", "build-7.local"]),
        ("10.0.0.1", []),
        ("", []),
        ("no name", []),
    ],
)
def test_the_host_name_comes_with_its_multicast_name(host: str, names: list[str], monkeypatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert host_names() == names


def test_a_ca_is_never_limited_to_a_whole_top_level_domain() -> None:
    assert "dev" not in choose_domains(["dev", "dev.local"])
    assert "com" not in choose_domains(["com"])
    assert "build-7" in choose_domains(["build-7", "build-7.local"])
