"""An HTTP/2 client of frames, by hyperframe and hpack, which share nothing with ours. It checks what it gets."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import hpack
from hyperframe import frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = (
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"localhost"),
)
POST = ((b":method", b"POST"), *GET[1:])
Fields = Sequence[tuple[bytes, bytes]]


class Response:
    """What came on a stream."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.informational: list[str] = []
        self.hints: list[tuple[str, str]] = []  # the fields of interim responses
        self.body = b""
        self.reset: int | None = None
        self.ended = False

    @property
    def status(self) -> int:
        return int(self.fields.get(":status", 0))


class Peer:
    """Speaks HTTP/2 over a connected socket, which it owns. ``goaway`` is the error code of the last word, if any."""

    def __init__(self, connection: socket.socket, settings: dict[int, int] | None = None, greet: bool = True) -> None:
        self.connection = connection
        connection.settimeout(60)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.responses: dict[int, Response] = {}
        self.goaway: int | None = None
        self.closed = False
        self.pings: list[bytes] = []
        self.acknowledged = 0
        self.settings: dict[int, int] = {}
        self.order: list[int] = []  # the streams of DATA frames
        self.widens = True  # whether windows are opened for what has come
        self._unread = b""
        if greet:
            self.send_raw(PREFACE)
            self.send(frames.SettingsFrame(0, settings=settings or {}))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send_raw(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError:
            self.closed = True

    def send(self, *some: object) -> None:
        """Send frames as one piece."""
        self.send_raw(b"".join(frame.serialize() for frame in some))  # type: ignore[attr-defined]

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Send a frame that need not be valid."""
        self.send_raw(make_frame(kind, flags, stream_id, payload))

    def headers(self, stream_id: int, fields: Fields = GET, end: bool = True, **others: object) -> object:
        """Return a HEADERS frame."""
        frame = frames.HeadersFrame(stream_id, self.encoder.encode(list(fields)), **others)
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def get(self, stream_id: int, path: bytes = b"/", *more: tuple[bytes, bytes], method: bytes = b"GET") -> Response:
        """Send a request and return its response."""
        self.ask(stream_id, path, *more, method=method)
        return self.wait(stream_id)

    def ask(self, stream_id: int, path: bytes = b"/", *more: tuple[bytes, bytes], method: bytes = b"GET") -> None:
        fields = ((b":method", method), GET[1], (b":path", path), GET[3], *more)
        self.send(self.headers(stream_id, fields))

    def wait(self, stream_id: int) -> Response:
        """Read until a stream is over, or the connection."""
        response = self.responses.setdefault(stream_id, Response())
        while not response.ended and response.reset is None and not self.closed:
            self.read()
        return response

    def wait_end(self) -> None:
        """Read until the server has closed."""
        while not self.closed:
            self.read()

    def wait_alive(self) -> None:
        """Read until a ping is answered: all frames before it have been seen. Or until the connection is over."""
        count = len(self.pings)
        self.send(frames.PingFrame(0, opaque_data=b"alive?!!"))
        while len(self.pings) == count and not self.closed:
            self.read()

    def wait_content(self, size: int) -> None:
        """Read until the bodies of all streams have that many bytes, or the connection is over."""
        while sum(len(response.body) for response in self.responses.values()) < size and not self.closed:
            self.read()

    def read(self) -> None:
        """Read some frames."""
        try:
            data = self.connection.recv(262144)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        self._unread += data
        for frame in self._frames():
            self._take(frame)

    def _frames(self) -> Iterator[object]:
        while len(self._unread) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(self._unread)[:9])
            if len(self._unread) < 9 + length:
                return
            frame.parse_body(memoryview(self._unread)[9 : 9 + length])
            assert length <= 16384
            self._unread = self._unread[9 + length :]
            yield frame

    def _take(self, frame: object) -> None:
        stream_id = frame.stream_id  # type: ignore[attr-defined]
        response = self.responses.setdefault(stream_id, Response()) if stream_id else Response()
        if isinstance(frame, frames.HeadersFrame):
            assert not response.ended
            fields = self.decoder.decode(frame.data)
            if fields[0][1].startswith("1"):
                response.informational.append(fields[0][1])
                response.hints += fields[1:]
                return
            names = [name for name, _ in fields]
            assert len(set(names)) == len(names), names
            assert all(name == name.lower() for name in names)
            assert not {"connection", "transfer-encoding", "keep-alive"} & set(names)
            response.fields = dict(fields)
            assert "date" in response.fields
            response.ended = "END_STREAM" in frame.flags
        elif isinstance(frame, frames.DataFrame):
            assert not response.ended
            self.order.append(stream_id)
            response.body += frame.data
            response.ended = "END_STREAM" in frame.flags
            if self.widens and frame.data:
                self.send(frames.WindowUpdateFrame(0, window_increment=len(frame.data)))
                if not response.ended:
                    self.send(frames.WindowUpdateFrame(stream_id, window_increment=len(frame.data)))
        elif isinstance(frame, frames.RstStreamFrame):
            response.reset = frame.error_code
        elif isinstance(frame, frames.GoAwayFrame):
            self.goaway = frame.error_code
        elif isinstance(frame, frames.SettingsFrame):
            if "ACK" in frame.flags:
                self.acknowledged += 1
            else:
                self.settings = dict(frame.settings)
                self.send(frames.SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, frames.PingFrame) and "ACK" in frame.flags:
            self.pings.append(frame.opaque_data)


def make_frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return the bytes of a frame, valid or not."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload
