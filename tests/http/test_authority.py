"""The host: RFC 3986 §3.2.2 by grammar, and which hosts the server accepts (RFC 9110 §7.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.errors import HTTPError
from fastfile.http.authority import check_host, is_loopback_host, maybe_ipv4, maybe_ipv6, parse_host

VALID = [
    pytest.param(b"a.example", (b"a.example", None), id="a name"),
    pytest.param(b"A.Example", (b"a.example", None), id="names have no case"),
    pytest.param(b"a.example:8000", (b"a.example", 8000), id="a name and a port"),
    pytest.param(b"a.example:", (b"a.example", None), id="a port may be empty"),
    pytest.param(b"a:0", (b"a", 0), id="port 0"),
    pytest.param(b"a:000080", (b"a", 80), id="a port with zeros in front"),
    pytest.param(b"a:" + b"0" * 5000 + b"80", (b"a", 80), id="any number of them"),
    pytest.param(b"a:65535", (b"a", 65535), id="the last port"),
    pytest.param(b"a.example.", (b"a.example.", None), id="a trailing dot"),
    pytest.param(b"a_b-c~d", (b"a_b-c~d", None), id="unreserved bytes"),
    pytest.param(b"!$&'()*+,;=", (b"!$&'()*+,;=", None), id="sub-delims are in the grammar"),
    pytest.param(b"%C3%A9.example", (b"%c3%a9.example", None), id="pct-encoded"),
    pytest.param(b"127.0.0.1:80", (b"127.0.0.1", 80), id="IPv4"),
    pytest.param(b"999.1.1.1", (b"999.1.1.1", None), id="what is no IPv4 address is a name"),
    pytest.param(b"[::1]:80", (b"[::1]", 80), id="IPv6 with a port"),
    pytest.param(b"[2001:DB8::A]", (b"[2001:db8::a]", None), id="IPv6 in lower case"),
    pytest.param(b"[::ffff:1.2.3.4]", (b"[::ffff:1.2.3.4]", None), id="IPv6 that ends as IPv4"),
]


@pytest.mark.parametrize(("value", "expected"), VALID)
def test_a_valid_authority_is_read(value: bytes, expected: tuple[bytes, int | None]) -> None:
    assert parse_host(value) == expected


INVALID = [
    pytest.param(b"", id="empty"),
    pytest.param(b":80", id="a port alone"),
    pytest.param(b"a b", id="a space"),
    pytest.param(b"a\tb", id="a tab"),
    pytest.param(b"a, b", id="two hosts in a list"),
    pytest.param(b"a@b", id="userinfo"),
    pytest.param(b"a/b", id="a slash"),
    pytest.param(b"a\\b", id="a backslash"),
    pytest.param(b"a?b", id="a question mark"),
    pytest.param(b"a#b", id="a number sign"),
    pytest.param(b'a"b', id="a quote"),
    pytest.param(b"a<b", id="a bracket of HTML"),
    pytest.param(b"http://a", id="a URI"),
    pytest.param(b"a%", id="a percent sign alone"),
    pytest.param(b"a%4", id="an escape of one digit"),
    pytest.param(b"a%zz", id="a bad escape"),
    pytest.param(b"a\xc3\xa9", id="bytes beyond ASCII"),
    pytest.param(b"a\x00", id="a NUL"),
    pytest.param(b"a:b", id="a port of letters"),
    pytest.param(b"a:-1", id="a port with a sign"),
    pytest.param(b"a: 80", id="a space before the port"),
    pytest.param(b"a:65536", id="a port beyond 16 bits"),
    pytest.param(b"a:" + b"9" * 5000, id="a port of thousands of digits"),
    pytest.param(b"a:80:80", id="two ports"),
    pytest.param(b"::1", id="IPv6 without brackets"),
    pytest.param(b"[::1", id="no closing bracket"),
    pytest.param(b"::1]", id="no opening bracket"),
    pytest.param(b"[::1]80", id="no colon before the port"),
    pytest.param(b"[::1].example", id="a name after an address"),
    pytest.param(b"[]", id="brackets alone"),
    pytest.param(b"[a.example]", id="a name in brackets"),
    pytest.param(b"[127.0.0.1]", id="IPv4 in brackets"),
    pytest.param(b"[v1.a:b]", id="IPvFuture: no version exists"),
    pytest.param(b"[fe80::1%25eth0]", id="a zone: it means nothing to another machine"),
]


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_authority_is_refused(value: bytes) -> None:
    with pytest.raises(HTTPError) as caught:
        parse_host(value)
    assert caught.value.status == 400
    with pytest.raises(HTTPError):
        check_host(value, (b"*",))


LOOPBACK = [
    pytest.param(b"localhost", True, id="localhost"),
    pytest.param(b"localhost.", True, id="localhost with a dot"),
    pytest.param(b"app.localhost", True, id="a name below localhost"),
    pytest.param(b"a.b.localhost.", True, id="a name below localhost with a dot"),
    pytest.param(b"127.0.0.1", True, id="127.0.0.1"),
    pytest.param(b"127.255.255.254", True, id="the whole of 127.0.0.0/8"),
    pytest.param(b"[::1]", True, id="::1"),
    pytest.param(b"[0:0:0:0:0:0:0:1]", True, id="::1 written out"),
    pytest.param(b"[::ffff:127.0.0.1]", True, id="127.0.0.1 as IPv6"),
    pytest.param(b"localhost.evil.example", False, id="localhost as a label of another name"),
    pytest.param(b"evillocalhost", False, id="a name that ends as localhost"),
    pytest.param(b"127.0.0.1.evil.example", False, id="an address as labels of a name"),
    pytest.param(b"127.0.0.1.", False, id="an address has no trailing dot"),
    pytest.param(b"127.1", False, id="a short address is a name"),
    pytest.param(b"0127.0.0.1", False, id="an octal address is a name"),
    pytest.param(b"128.0.0.1", False, id="another address"),
    pytest.param(b"0.0.0.0", False, id="the unspecified address"),
    pytest.param(b"[::2]", False, id="another IPv6 address"),
    pytest.param(b"[::ffff:128.0.0.1]", False, id="another address as IPv6"),
    pytest.param(b"[::127.0.0.1]", False, id="an IPv4-compatible address"),
    pytest.param(b"%6cocalhost", False, id="an escape is not decoded"),
]


@pytest.mark.parametrize(("host", "expected"), LOOPBACK)
def test_loopback_names_are_known(host: bytes, expected: bool) -> None:
    assert is_loopback_host(host) is expected


OURS = [
    pytest.param(b"localhost:5173", (), True, id="loopback is always ours, with any port"),
    pytest.param(b"LOCALHOST", (), True, id="in any case"),
    pytest.param(b"a.example", (), False, id="nothing else is, unless allowed"),
    pytest.param(b"10.0.2.2:8000", (), True, id="an address cannot be rebound: an emulator's name for its host"),
    pytest.param(b"0.0.0.0", (), True, id="the unspecified address"),
    pytest.param(b"127.1", (b"a.example",), True, id="a short address"),
    pytest.param(b"0", (), True, id="the shortest"),
    pytest.param(b"[2001:db8::1]:80", (), True, id="an IPv6 address"),
    pytest.param(b"1.2.3.4.5", (), False, id="five numbers are no address"),
    pytest.param(b"10.0.0.1.evil.example", (), False, id="a name that begins with an address"),
    pytest.param(b"0x7f.1", (), False, id="hexadecimal digits: browsers send the address in decimal ones"),
    pytest.param(b"A.example:80", (b"a.example",), True, id="an exact name, with any port"),
    pytest.param(b"a.example.", (b"a.example",), True, id="an exact name, with a trailing dot"),
    pytest.param(b"b.a.example", (b"a.example",), False, id="an exact name has no subdomains"),
    pytest.param(b"b.a.example", (b"x", b".a.example"), True, id="a leading dot allows subdomains"),
    pytest.param(b"c.b.a.example", (b".a.example",), True, id="at any depth"),
    pytest.param(b"a.example", (b".a.example",), True, id="and the name itself"),
    pytest.param(b"evila.example", (b".a.example",), False, id="but no name that only ends so"),
    pytest.param(b"[2001:db8::1]:80", (b"[2001:db8::1]",), True, id="an address in brackets"),
    pytest.param(b"anything.example", (b"*",), True, id="an asterisk allows all"),
]


@pytest.mark.parametrize(("value", "allowed", "expected"), OURS)
def test_an_authority_is_accepted_if_it_is_allowed(value: bytes, allowed: tuple[bytes, ...], expected: bool) -> None:
    assert check_host(value, allowed) is expected


IPV6 = [
    (b"::", 0), (b"::1", 1), (b"1:2:3:4:5:6:7::", 0x0001000200030004000500060007_0000), (b"::1.2.3.4", 0x01020304),
    (b"1:2:3:4:5:6:7:8", 0x00010002000300040005000600070008), (b"ABCD::", 0xABCD << 112),
    (b"::2:3:4:5:6:7:8", 0x0002000300040005000600070008), (b"1:2:3:4:5:6:1.2.3.4", 0x00010002000300040005000601020304),
    *((text, None) for text in (b"", b":", b":::", b"1::2::3", b"1:2:3:4:5:6:7:8::", b"::1:2:3:4:5:6:7:8", b"12345::")),
    *((text, None) for text in (b"1.2.3.4::", b"1:2:3:4:5:6:7:1.2.3.4", b"::1%25eth0", b"::1%eth0", b"::1/64")),
    *((text, None) for text in (b"::\xff", b"::g", b"::-1", b"1:2:3:4:5:6:7", b"::01.2.3.4", b"::1\n", b" ::1")),
]  # fmt: skip
IPV4 = [
    (b"0.0.0.0", 0), (b"1.2.3.4", 0x01020304), (b"255.255.255.255", 0xFFFFFFFF),
    *((text, None) for text in (b"", b"1.2.3", b"1.2.3.4.5", b"01.2.3.4", b"1.2.3.256", b"1.2.3.", b"1.2.3.4.")),
    (b"127.1", None),
    *((text, None) for text in (b"1.2.3.4/8", b"0x1.2.3.4", b"1.2.3.\xb2", "1.2.3.٤".encode(), b"+1.2.3.4")),
    (b"\1\2\3\4", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "address"), IPV6)
def test_an_ipv6_address_is_that_of_rfc_3986(text: bytes, address: int | None) -> None:
    assert maybe_ipv6(text) == address


@pytest.mark.parametrize(("text", "address"), IPV4)
def test_an_ipv4_address_is_in_its_strict_form(text: bytes, address: int | None) -> None:
    assert maybe_ipv4(text) == address


@given(st.binary(max_size=24))
def test_any_bytes_are_an_address_or_none(text: bytes) -> None:
    for maybe_address in (maybe_ipv4, maybe_ipv6):
        address = maybe_address(text)
        assert address is None or 0 <= address < 1 << 128
