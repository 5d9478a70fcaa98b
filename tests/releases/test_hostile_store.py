"""A store that sends what S3 never sends: endless bodies and listings, other bytes, redirects. Each is one line."""

from __future__ import annotations

import os
import re
import resource
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.serverprocess import clean_environment

from fastfile.releases.location import parse_location
from fastfile.releases.store import AccessDenied, Corrupt, NotModified, Store, StoreError, Unavailable

pytest.importorskip("obstore")
MIB = 1 << 20
SECRET = "grep-for-this-secret"
OBJECT = {"ETag": '"x"', "Last-Modified": "Mon, 30 Nov 2026 21:00:00 GMT"}
ENDLESS = str(1 << 33)
ENTRY = (
    "<Contents><Key>site/blobs/{:064}</Key><LastModified>2026-11-30T21:00:00.000Z</LastModified>"
    "<ETag>x</ETag><Size>1</Size></Contents>"
)
LISTING = "<ListBucketResult><IsTruncated>{}</IsTruncated>{}{}</ListBucketResult>"
TOKEN = "<NextContinuationToken>again</NextContinuationToken>"
ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "a" * 99}">' for n in range(12))
BOMB = f"<!DOCTYPE x [{ENTITIES}]>{LISTING.format('false', '', ENTRY.format(0).replace('site/', '&a11;'))}"


class Handler(BaseHTTPRequestHandler):
    """Responds as ``response`` says, to each request."""

    protocol_version = "HTTP/1.1"
    server: HostileServer

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def respond(self, status: int, body: str = "", **fields: str) -> None:
        self.send_response(status)
        fields.setdefault("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def send_endlessly(self, piece: bytes) -> None:
        try:
            while not self.server.has_ended.is_set():
                self.wfile.write(piece)
                self.server.sent += len(piece)
        except OSError:
            self.server.has_ended.set()

    def do_GET(self) -> None:
        self.server.received.append(self.headers)
        self.close_connection = True
        self.server.response(self)

    do_PUT = do_POST = do_GET  # noqa: N815


Response = Callable[[Handler], None]


class HostileServer(ThreadingHTTPServer):
    """Counts what it sends endlessly, and keeps the fields of requests."""

    daemon_threads = True

    def __init__(self, response: Response, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.response = response
        self.received: list[Message] = []
        self.sent = 0
        self.has_ended = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.has_ended.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Response, float], tuple[HostileServer, Store]]]:
    servers = []

    def begin(response: Response, call_s: float) -> tuple[HostileServer, Store]:
        from fastfile.releases.s3.store import Limits, S3Store

        server = HostileServer(response)
        servers.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFASTFILETEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        return server, S3Store(parse_location("s3://bucket/site"), Limits(0.2, call_s, call_s, call_s, call_s))

    yield begin
    for server in servers:
        server.close()


def get(store: Store) -> object:
    return store.get("current", limit=4096)


def get_range(store: Store) -> object:
    return store.get_range("packs/x", 0, 1000)


def list_blobs(store: Store) -> object:
    return list(store.list("blobs/"))


def send_long_range(handler: Handler) -> None:
    handler.respond(206, **OBJECT, **{"Content-Range": "bytes 0-999/1000", "Content-Length": ENDLESS})
    handler.send_endlessly(bytes(65536))


def send_other_range(handler: Handler) -> None:
    handler.respond(206, "hello", **OBJECT, **{"Content-Range": "bytes 18446744073709551615-3/1"})


def send_whole(handler: Handler) -> None:
    handler.respond(200, **OBJECT, **{"Content-Length": ENDLESS})
    handler.send_endlessly(bytes(65536))


def send_chunks(handler: Handler) -> None:
    handler.respond(200, **OBJECT, **{"Transfer-Encoding": "chunked", "Content-Length": ENDLESS})
    handler.send_endlessly(b"ffff\r\n" + bytes(65535) + b"\r\n")


def list_again(handler: Handler) -> None:
    handler.respond(200, LISTING.format("true", TOKEN, "".join(map(ENTRY.format, range(1000)))))


def list_on(handler: Handler) -> None:
    begin = len(handler.server.received) * 1000
    handler.respond(200, LISTING.format("true", TOKEN, "".join(map(ENTRY.format, range(begin, begin + 1000)))))


@pytest.mark.parametrize(
    ("call", "response", "error", "text"),
    [
        (get_range, send_long_range, Corrupt, "sent more than the 1000 bytes"),
        (get_range, send_other_range, Unavailable, "not that of an S3 service"),
        (get_range, send_whole, Unavailable, "not that of an S3 service"),
        (get, send_whole, Corrupt, "larger than 4096 bytes"),
        (get, send_chunks, StoreError, "current"),
        (
            get,
            lambda handler: handler.respond(404, "<!doctype html><HTML>"),
            Unavailable,
            "404 the response is not",
        ),
        (get, lambda handler: handler.respond(403, f"<Message>{SECRET}</Message>"), AccessDenied, "403"),
        (list_blobs, list_again, Corrupt, "the listing of blobs/ has no end"),
        (list_blobs, list_on, Corrupt, "the listing of blobs/ has no end"),
        (list_blobs, lambda handler: handler.respond(200, BOMB), Unavailable, "not that of an S3 service"),
        (list_blobs, lambda handler: handler.respond(200, "<html>hello"), Unavailable, "not that of an S3 service"),
    ],
    ids=[
        *("a body longer than its range", "another range", "an endless object instead of a range", "an endless object"),
        *("an endless object in chunks", "a web site's 404", "an error with a secret", "a listing that repeats itself"),
        *("a listing without an end", "entities that multiply", "a web site's page"),
    ],
)
def test_what_s3_never_sends_is_an_error_of_one_line(
    call: Callable[[Store], object],
    response: Response,
    error: type[StoreError],
    text: str,
    serve: Callable[[Response, float], tuple[HostileServer, Store]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fastfile.releases.s3 import store as module

    monkeypatch.setattr(module, "_MAX_LISTED", 3000)
    server, store = serve(response, 120.0)
    with pytest.raises(error) as caught:
        call(store)
    assert type(caught.value) is error or error is StoreError
    line = str(caught.value)
    assert text in line
    assert SECRET not in line
    assert "\n" not in line
    assert server.sent < 64 * MIB  # buffers of sockets and of the library


LIST_WITH_LITTLE_ROOM = """
import resource
import fastfile.releases.s3.store as module
from fastfile.releases.location import Location
module._LISTING_ROOM = 512 << 20
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
list(module.S3Store(Location("s3", "bucket", "site")).list("blobs/"))
"""


def test_a_listing_needs_no_right_to_limit_memory(
    serve: Callable[[Response, float], tuple[HostileServer, Store]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    _, store = serve(lambda handler: handler.respond(200, LISTING.format("false", "", ENTRY.format(0))), 120.0)
    assert [one.size for one in store.list("blobs/")] == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_page_of_a_listing_without_an_end_does_not_fill_the_memory(
    serve: Callable[[Response, float], tuple[HostileServer, Store]],
) -> None:
    """obstore reads a page whole: Rust ends the process when there is no more room."""

    def list_without_end(handler: Handler) -> None:
        handler.respond(200, **{"Transfer-Encoding": "chunked", "Content-Length": ENDLESS})
        handler.send_endlessly(b"100000\r\n" + bytes(MIB) + b"\r\n")

    server, _ = serve(list_without_end, 120.0)
    done = subprocess.run(
        [sys.executable, "-c", LIST_WITH_LITTLE_ROOM],
        env=clean_environment() | {name: os.environ[name] for name in os.environ if name.startswith("AWS_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert "memory allocation of " in done.stderr
    assert server.sent < 1024 * MIB


def test_a_store_that_sends_a_byte_now_and_then_is_given_up(
    serve: Callable[[Response, float], tuple[HostileServer, Store]],
) -> None:
    def drip(handler: Handler) -> None:
        handler.respond(200, **OBJECT, **{"Content-Length": "1000"})
        while not handler.server.has_ended.wait(0.05):
            handler.wfile.write(b"x")

    _, store = serve(drip, 0.5)
    with pytest.raises(Unavailable, match="no response in time"):
        get(store)


@pytest.mark.parametrize(
    ("has_tls", "scheme", "trusts", "text"),
    [
        (True, "https", False, r"the certificate of the endpoint is not trusted \(\w+\)"),
        (False, "https", False, "the endpoint does not speak TLS: its URL begins with http://"),
        (True, "https", True, None),
    ],
    ids=["an untrusted certificate", "no TLS", "a CA of SSL_CERT_FILE"],
)
def test_what_is_wrong_with_tls_is_named(
    has_tls: bool, scheme: str, trusts: bool, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.certificates import make_pair

    authority = make_pair(tmp_path, stem="authority", is_authority=True)
    pair = make_pair(tmp_path, issuer=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_path, pair.key_path)
    server = HostileServer(lambda handler: handler.respond(404, "<Code>NoSuchKey</Code>"), context if has_tls else None)
    environment = {"AWS_ENDPOINT_URL_S3": f"{scheme}://localhost:{server.server_port}", "AWS_ACCESS_KEY_ID": "AKIA"}
    environment |= {"AWS_REGION": "us-east-1", "AWS_SECRET_ACCESS_KEY": SECRET}
    environment |= {"SSL_CERT_FILE": authority.certificate_path} if trusts else {}
    # In a process of its own: the library reads the certificates of the system once.
    code = "from fastfile.releases.s3.store import Limits, S3Store\n"
    code += "from fastfile.releases.location import parse_location\n"
    code += "print(S3Store(parse_location('s3://bucket/site'), Limits(0.2, 60, 60)).get('current'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**clean_environment(), **environment}, capture_output=True, text=True
    )
    server.close()
    if text is None:
        assert (done.stdout, done.stderr) == ("None\n", "")
    else:
        assert re.search(text, done.stderr.splitlines()[-1])


def test_a_redirect_to_another_host_gets_no_credentials(
    serve: Callable[[Response, float], tuple[HostileServer, Store]],
) -> None:
    other, _ = serve(lambda handler: handler.respond(200, "{}", **OBJECT), 60.0)
    target = other.url.replace("127.0.0.1", "localhost")
    _, store = serve(lambda handler: handler.respond(307, Location=f"{target}/x"), 60.0)
    found = get(store)
    assert found is not None
    assert not isinstance(found, NotModified)
    assert [fields["Authorization"] for fields in other.received] == [None]
    with pytest.raises(StoreError, match="307"):
        store.put("running/x", b"")
    assert len(other.received) == 1  # an upload is not sent elsewhere


def test_an_object_in_a_folder_that_is_a_device_or_a_link_to_one_is_refused(tmp_path: Path) -> None:
    from fastfile.releases.location import open_store

    (tmp_path / "current").symlink_to("/dev/zero")
    with pytest.raises(Corrupt, match="not a file"):
        open_store(parse_location(f"file://{tmp_path}")).get("current")
