"""The bytes of a response: head, tail and chunks, and that they are made once."""

import h11
import httptools
import pytest

from fastfile.message import PartialHead, ResponseHead, make_partial
from fastfile.protocol.http1 import CONTINUE, END_OF_CHUNK, END_OF_CHUNKS, head_of, make_tail, start_chunk

FIELDS = ((b"Content-Type", b"text/plain"), (b"X-Twice", b"1"), (b"X-Twice", b"2"))
DATE_S = 784111777  # of RFC 9110 §5.6.7
DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


def test_a_head_is_its_status_line_and_its_fields() -> None:
    head = ResponseHead(404, FIELDS)
    assert head_of(head) == b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
    assert head.fields == FIELDS


@pytest.mark.parametrize("head", [ResponseHead(200, FIELDS), PartialHead(ResponseHead(206, FIELDS), 0, 1, 2)])
def test_a_head_is_written_once(head: ResponseHead) -> None:
    assert head_of(head) is head_of(head)
    assert head.fields is head.fields


def test_a_status_without_a_reason_has_an_empty_one() -> None:
    assert head_of(ResponseHead(299, ())) == b"HTTP/1.1 299 \r\n"


def test_the_head_of_a_range_is_what_its_fields_say() -> None:
    base = ResponseHead(206, FIELDS)
    for head in (PartialHead(base, 5, 15, 10**12), make_partial(base, 5, 15, 10**12, b"0123456789").head):
        assert head.status == 206
        assert head.fields == (*FIELDS, (b"Content-Range", b"bytes 5-14/1000000000000"), (b"Content-Length", b"10"))
        assert head_of(head) == head_of(ResponseHead(206, head.fields))


def test_the_response_of_a_range_has_its_part() -> None:
    response = make_partial(ResponseHead(206, FIELDS), 5, 15, 100, b"0123456789")
    assert (response.status, response.parts, response.body_size) == (206, (b"0123456789",), 10)
    assert (response.close, response.source, response.user) == (False, None, None)
    assert response.fields == response.head.fields


TAILS = (
    (True, True, False, b""),
    (True, False, False, b"Connection: keep-alive\r\n"),
    (False, True, False, b"Connection: close\r\n"),
    (False, False, False, b"Connection: close\r\n"),
    (True, True, True, b"Transfer-Encoding: chunked\r\n"),
    (False, True, True, b"Connection: close\r\nTransfer-Encoding: chunked\r\n"),
)


@pytest.mark.parametrize(("is_persistent", "is_current", "is_chunked", "lines"), TAILS)
def test_a_tail_has_the_date_and_what_the_connection_needs(
    is_persistent: bool, is_current: bool, is_chunked: bool, lines: bytes
) -> None:
    assert make_tail(DATE_S, is_persistent, is_current, is_chunked) == DATE + lines + b"\r\n"


CHUNKS = (b"x", b"y" * 15, b"z" * 16, b"\r\n0\r\n\r\n", bytes(range(256)) * 300)


def chunked() -> bytes:
    head = head_of(ResponseHead(200, FIELDS)) + make_tail(DATE_S, True, True, True)
    return head + b"".join([start_chunk(len(chunk)) + chunk + END_OF_CHUNK for chunk in CHUNKS]) + END_OF_CHUNKS


def test_h11_reads_the_chunks() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(CONTINUE + chunked())
    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert not isinstance(event, type) or event not in (h11.NEED_DATA, h11.PAUSED)
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    assert body == b"".join(CHUNKS)


class Body:
    def __init__(self) -> None:
        self.content = b""
        self.is_complete = False

    def on_body(self, content: bytes) -> None:
        self.content += content

    def on_message_complete(self) -> None:
        self.is_complete = True


def test_httptools_reads_the_chunks() -> None:
    body = Body()
    httptools.HttpResponseParser(body).feed_data(chunked())
    assert body.is_complete
    assert body.content == b"".join(CHUNKS)
