"""The PROXY protocol: well-formed prefaces, fed byte by byte, and malformed ones."""

from __future__ import annotations

import contextlib
import os

import pytest

from fastfile.protocol.proxy_protocol import MAX_LINE, MAX_SIZE, SIGNATURE, Preface, maybe_preface

V4 = bytes((192, 0, 2, 1))
V6 = bytes.fromhex("20010db8000000000000000000000001")


def version_2(command: int, family: int, content: bytes) -> bytes:
    return SIGNATURE + bytes((0x20 | command, family)) + len(content).to_bytes(2, "big") + content


GOOD = [
    pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 80\r\n", V4, id="v1 TCP4"),
    pytest.param(b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 80\r\n", V6, id="v1 TCP6"),
    pytest.param(b"PROXY UNKNOWN\r\n", None, id="v1 UNKNOWN"),
    pytest.param(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, id="v1 UNKNOWN with addresses"),
    pytest.param(version_2(1, 0x11, V4 + bytes(8)), V4, id="v2 TCP over IPv4"),
    pytest.param(version_2(1, 0x21, V6 + bytes(20)), V6, id="v2 TCP over IPv6"),
    pytest.param(version_2(1, 0x11, V4 + bytes(8) + b"\x03\x00\x04abcd"), V4, id="v2 with what a proxy adds"),
    pytest.param(version_2(0, 0x00, b""), None, id="v2 LOCAL"),
    pytest.param(version_2(0, 0x11, V4 + bytes(8)), None, id="v2 LOCAL with addresses"),
    pytest.param(version_2(1, 0x31, bytes(216)), None, id="v2 Unix"),
    pytest.param(version_2(1, 0x00, b""), None, id="v2 of an unknown family"),
]


@pytest.mark.parametrize(("preface", "client"), GOOD)
def test_a_preface_is_read_when_all_of_it_is_there(preface: bytes, client: bytes | None) -> None:
    for end in range(len(preface)):
        assert maybe_preface(preface[:end]) is None
    for behind in (b"", b"GET / HTTP/1.1\r\n", b"\x00"):
        assert maybe_preface(preface + behind) == Preface(len(preface), client)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n", id="a request"),
        pytest.param(b"\x16\x03\x01", id="TLS"),
        pytest.param(b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", id="lower case"),
        pytest.param(b"PROXY \r\n", id="nothing"),
        pytest.param(b"PROXY TCP4\r\n", id="no addresses"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", id="one port"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n", id="a word too many"),
        pytest.param(b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", id="two spaces"),
        pytest.param(b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", id="the other family"),
        pytest.param(b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", id="the other family, 6"),
        pytest.param(b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n", id="a zero in front"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n", id="a port with a zero in front"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n", id="a port that is none"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 -2\r\n", id="a negative port"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", id="a bare LF"),
        pytest.param(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 \xb2\r\n", id="not ASCII"),
        pytest.param(b"PROXY UNKNOWN" + b" " * MAX_LINE, id="a line without end"),
        pytest.param(SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12), id="v2 of version 1"),
        pytest.param(version_2(2, 0x11, bytes(12)), id="v2 of an unknown command"),
        pytest.param(version_2(1, 0x11, bytes(11)), id="v2 that is cut"),
        pytest.param(version_2(1, 0x21, bytes(35)), id="v2 that is cut, 6"),
        pytest.param(version_2(1, 0x11, bytes(MAX_SIZE + 1)), id="v2 that is too large"),
    ],
)
def test_a_malformed_preface_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of any of the parsers
        maybe_preface(data)


def test_no_bytes_make_it_raise_anything_else() -> None:
    starts = (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x0c")
    for turn in range(2000):
        data = starts[turn % len(starts)] + os.urandom(turn % 150)
        with contextlib.suppress(ValueError):
            maybe_preface(data)
