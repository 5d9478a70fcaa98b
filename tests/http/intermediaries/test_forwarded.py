"""The client's address: the last one that a trusted proxy gave, whatever the client wrote before it."""

from __future__ import annotations

import ipaddress

import pytest

from fastfile.http.intermediaries.forwarded import TrustedProxies, parse_forwarded, parse_node, parse_x_forwarded_for

PROXY = b"\x0a\x00\x00\x01"


def packed(text: str | None) -> bytes | None:
    return None if text is None else ipaddress.ip_address(text).packed


@pytest.mark.parametrize(
    ("node", "address"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"192.0.2.1:8080", "192.0.2.1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"[2001:db8::1]:8080", "2001:db8::1"),
        (b"", None),
        (b"unknown", None),
        (b"_hidden", None),
        (b"example.com", None),
        (b"192.0.2.1:", None),
        (b"192.0.2.1:http", None),
        (b"192.0.2.1:123456", None),
        (b"192.0.2", None),
        (b"192.0.2.01", None),
        (b"192.0.2.256", None),
        (b"[192.0.2.1]", None),
        (b"[2001:db8::1", "2001:db8::1"),
        (b"[2001:db8::1]x", None),
        (b"[2001:db8::1]:", None),
        (b"\xff", None),
        (b"1" * 100_000, None),
    ],
)
def test_a_node_is_an_address_with_or_without_a_port(node: bytes, address: str | None) -> None:
    assert parse_node(node) == packed(address)


def test_a_list_of_x_forwarded_for() -> None:
    assert parse_x_forwarded_for(b"192.0.2.1, unknown,,2001:db8::1 ") == [
        packed("192.0.2.1"),
        None,
        packed("2001:db8::1"),
    ]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"for=192.0.2.1", ["192.0.2.1"]),
        (b'For="[2001:db8::1]:8080";proto=https;by=203.0.113.43', ["2001:db8::1"]),
        (b"for=192.0.2.1, for=198.51.100.2", ["192.0.2.1", "198.51.100.2"]),
        (b'for="192.0.2.1, for=198.51.100.2"', [None]),
        (b"proto=https", [None]),
        (b"for=192.0.2.1;for=198.51.100.2", [None]),
        (b"for=unknown", [None]),
        (b'for="', [None]),
        (b"", []),
    ],
)
def test_a_list_of_forwarded(value: bytes, addresses: list[str | None]) -> None:
    assert parse_forwarded(value) == [packed(address) for address in addresses]


@pytest.mark.parametrize(
    ("x_forwarded_for", "forwarded", "client"),
    [
        pytest.param(None, None, "10.0.0.1", id="no field"),
        pytest.param(b"192.0.2.1", None, "192.0.2.1", id="one proxy"),
        pytest.param(b"192.0.2.1, 10.0.0.2", None, "192.0.2.1", id="two proxies"),
        pytest.param(b"198.51.100.9, 192.0.2.1", None, "192.0.2.1", id="what the client invents stands before it"),
        pytest.param(b"10.9.9.9", None, "10.9.9.9", id="a client within the network"),
        pytest.param(b"192.0.2.1, rubbish, 10.0.0.2", None, "10.0.0.2", id="what cannot be read ends the way back"),
        pytest.param(b"", None, "10.0.0.1", id="an empty field"),
        pytest.param(None, b"for=192.0.2.1", "192.0.2.1", id="Forwarded"),
        pytest.param(b"192.0.2.1", b"for=192.0.2.1", "192.0.2.1", id="both agree"),
        pytest.param(b"192.0.2.1", b"for=198.51.100.9", "10.0.0.1", id="one of both is an invention"),
    ],
)
def test_the_client_behind_trusted_proxies(x_forwarded_for: bytes | None, forwarded: bytes | None, client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    assert proxies.find_client(PROXY, x_forwarded_for, forwarded) == packed(client)


def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    stranger = packed("192.0.2.7")
    assert stranger is not None
    assert proxies.find_client(stranger, b"198.51.100.1", b"for=198.51.100.1") == stranger


def test_a_unix_socket_is_trusted_by_its_name_alone() -> None:
    assert TrustedProxies(["unix"]).find_client(b"", b"192.0.2.1", None) == packed("192.0.2.1")
    assert TrustedProxies(["0.0.0.0/0"]).find_client(b"", b"192.0.2.1", None) == b""


def test_an_ipv4_proxy_is_known_on_a_socket_for_both() -> None:
    assert TrustedProxies(["10.0.0.0/8"]).are_trusted(bytes(10) + b"\xff\xff" + PROXY)
