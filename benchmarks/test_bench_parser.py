"""The cost of parsing one request head: ``python -m pytest benchmarks/test_bench_parser.py``.

Each parser gets the whole head in one piece, as usual on a connection, and keeps its values as bytes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import h11
import httptools
import pytest

from fastfile.parser_limits import ParserLimits

WRK = b"GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BROWSER = (
    b"GET /assets/app.3f2a1b.js HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8000\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    b" Chrome/124.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-User: ?1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\n"
    b"\r\n"
)
HEADS = {"wrk": WRK, "browser": BROWSER}


def make_twin(module: str) -> Callable[[bytes], object]:
    parse = importlib.import_module(module).HeadParser(ParserLimits()).parse
    return lambda data: parse(data, 0, len(data))


class Recorder:
    __slots__ = ("fields", "target")

    def on_url(self, target: bytes) -> None:
        self.target = target
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def make_httptools() -> Callable[[bytes], object]:
    # One parser for the connection, as in uvicorn.
    recorder = Recorder()
    parser = httptools.HttpRequestParser(recorder)
    feed = parser.feed_data

    def read(data: bytes) -> object:
        feed(data)
        return recorder.target, recorder.fields, parser.get_method(), parser.should_keep_alive()

    return read


def make_h11() -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        return connection.next_event()

    return read


READERS = {
    "compiled": lambda: make_twin("fastfile._parser"),
    "pure": lambda: make_twin("fastfile._parser_py"),
    "httptools": make_httptools,
    "h11": make_h11,
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("reader", READERS)
def test_bench_head(benchmark, reader, head):
    benchmark.group = head
    assert benchmark(READERS[reader](), HEADS[head]) is not None
