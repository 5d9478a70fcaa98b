"""Files that are stored encoded and requested by their own name."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.asker import Asker, body, fields
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

from fastfile.http.content.media_types import media_type
from fastfile.message import Deferred, RequestHead
from fastfile.storage import variants

TEXT = b"what is in it " * 100
PACKED = gzip.compress(TEXT)
BROTLI = b"\x8b" + TEXT
ZSTD = b"\x28\xb5\x2f\xfd" + TEXT
JS, OCTETS = b"text/javascript; charset=utf-8", b"application/octet-stream"
GZIP, BR, ZST = b"application/gzip", b"application/x-brotli", b"application/zstd"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Asker]:
    asker = Asker(tmp_path, encoded=(("/tiles/**.pbf", "gzip"), ("*.unityweb", "br"), ("/tiles/plain/*", "zstd")))
    yield asker
    asker.root.close()


STORED = [
    pytest.param("Build/x.wasm.gz", PACKED, b"application/wasm", b"gzip", GZIP, id="Unity's code"),
    pytest.param("Build/x.wasm.br", BROTLI, b"application/wasm", b"br", BR, id="in Brotli"),
    pytest.param("Build/x.framework.js.br", BROTLI, JS, b"br", BR, id="its loader"),
    pytest.param("Build/x.data.gz", PACKED, OCTETS, b"gzip", GZIP, id="its data"),
    pytest.param("Build/x.symbols.json.gz", PACKED, b"application/json", b"gzip", GZIP, id="its symbols"),
    pytest.param("x.js.zst", ZSTD, JS, b"zstd", ZST, id="in Zstandard"),
    pytest.param("logo.svgz", PACKED, b"image/svg+xml", b"gzip", GZIP, id="a picture"),
    pytest.param("Build/x.data.unityweb", BROTLI, b"application/vnd.unity", b"br", BR, id="by the option"),
    pytest.param("tiles/1/2/3.pbf", PACKED, b"application/x-protobuf", b"gzip", GZIP, id="a vector tile"),
]


@pytest.mark.parametrize(("name", "content", "inner", "coding", "container"), STORED)
def test_a_client_that_accepts_the_coding_gets_the_content_and_others_the_file(
    site: Asker, name: str, content: bytes, inner: bytes, coding: bytes, container: bytes
) -> None:
    site.write(name, content)
    accepting = site.ask(f"/{name}", accept_encoding=b"gzip, deflate, br, zstd")
    assert (accepting.status, body(accepting)) == (200, content)
    assert fields(accepting)[b"Content-Type"] == inner
    assert fields(accepting)[b"Content-Encoding"] == coding
    for accepted in (None, b"identity", b"deflate", b"%b;q=0" % coding):
        other = site.ask(f"/{name}", accept_encoding=accepted)
        assert (other.status, body(other)) == (200, content)
        assert fields(other)[b"Content-Type"] == container
        assert b"Content-Encoding" not in fields(other)
        assert fields(other)[b"Vary"] == fields(accepting)[b"Vary"] == b"Accept-Encoding"
        assert fields(other)[b"ETag"] != fields(accepting)[b"ETag"]
    part = site.ask(f"/{name}", accept_encoding=b"gzip, br, zstd", range=b"bytes=2-5")
    assert (part.status, body(part), b"Content-Encoding" in fields(part)) == (206, content[2:6], False)


UNITY_BROTLI = b"\x6b\x8d\x00UnityWeb Compressed Content (brotli)" + TEXT
UNITY = [
    pytest.param("b.wasm.unityweb", PACKED, b"application/wasm", b"gzip", id="gzip"),
    pytest.param("b.framework.js.unityweb", UNITY_BROTLI, JS, b"br", id="Brotli"),
    pytest.param("b.data.unityweb", UNITY_BROTLI, OCTETS, b"br", id="data"),
]
PROTOBUF = b"application/x-protobuf"
TOLD = [
    *UNITY,
    pytest.param("12/2200/1343.pbf", PACKED, PROTOBUF, b"gzip", id="a vector tile"),
    pytest.param("0/0/0.mvt", PACKED, b"application/vnd.mapbox-vector-tile", b"gzip", id="by its newer name"),
]


@pytest.mark.parametrize(("name", "content", "inner", "coding"), TOLD)
def test_the_coding_of_unity_files_and_tiles_is_told_by_their_content(
    tmp_path: Path, name: str, content: bytes, inner: bytes, coding: bytes
) -> None:
    plain = Asker(tmp_path)
    plain.write(name, content)
    accepting = plain.ask(f"/{name}", accept_encoding=b"gzip, br")
    assert (accepting.status, body(accepting)) == (200, content)
    assert (fields(accepting)[b"Content-Type"], fields(accepting)[b"Content-Encoding"]) == (inner, coding)
    assert b"Content-Encoding" not in fields(plain.ask(f"/{name}"))
    plain.write(name, b"\x1a" + TEXT)  # as a tile begins that is not compressed
    unencoded = plain.ask(f"/{name}", accept_encoding=b"gzip, br")
    assert b"Content-Encoding" not in fields(unencoded)
    assert fields(unencoded)[b"Content-Type"] == media_type(name.encode(), {})
    plain.root.close()


def test_a_file_whose_beginning_is_not_in_memory_is_read_in_a_thread_before_its_coding_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "read_cached", lambda *_: None)
    asker = Asker(tmp_path, small_file=0)
    asker.write("0.pbf", PACKED)
    asker.settle()
    asker.clock.begin_batch()
    head = RequestHead(b"GET", b"/0.pbf", 1, 0, authority=b"localhost", accept_encoding=b"gzip")
    assert isinstance(asker.handler.respond(head), Deferred)
    for _ in range(2):
        response = asker.ask("/0.pbf", accept_encoding=b"gzip")
        assert (fields(response)[b"Content-Encoding"], body(response)) == (b"gzip", PACKED)
    asker.root.close()


# A client's Accept-Encoding, and the coding in which it gets /app.js where only app.js.gz and app.js.br are there.
LONE = [
    (b"gzip", b"gzip"),
    (b"gzip, deflate, br", b"br"),
    (b"br;q=0.5, gzip", b"gzip"),
    (b"identity, gzip;q=0.1", b"gzip"),
    (b"*", b"br"),
    (None, b"gzip"),  # RFC 9110 §12.5.3: any coding is acceptable
    (b"", None),
    (b"identity", None),
    (b"deflate", None),
    (b"gzip;q=0, br;q=0", None),
]


@pytest.mark.parametrize(("accepted", "coding"), LONE)
def test_lone_variants_answer_for_the_name_of_their_content(
    site: Asker, accepted: bytes | None, coding: bytes | None
) -> None:
    contents = {b"gzip": PACKED, b"br": BROTLI}
    site.write("app.js.gz", PACKED)
    site.write("app.js.br", BROTLI)
    site.settle()
    for _ in range(2):
        response = site.ask("/app.js", accept_encoding=accepted)
        head = site.ask("/app.js", "HEAD", accept_encoding=accepted)
        assert (head.status, head.fields, head.parts) == (response.status, response.fields, ())
        assert fields(response)[b"Vary"] == b"Accept-Encoding"
        if coding is None:
            assert (response.status, b"ETag" in fields(response)) == (406, False)
            assert b"Content-Encoding" not in fields(response)
            for condition in ({"if_none_match": b"*"}, {"if_match": b'"a"'}, {"range": b"bytes=0-1"}):
                assert site.ask("/app.js", accept_encoding=accepted, **condition).status == 406
            continue
        assert (response.status, body(response)) == (200, contents[coding])
        assert (fields(response)[b"Content-Type"], fields(response)[b"Content-Encoding"]) == (JS, coding)
        again = site.ask("/app.js", accept_encoding=accepted, if_none_match=fields(response)[b"ETag"])
        assert again.status == 304
        part = site.ask("/app.js", accept_encoding=accepted, range=b"bytes=0-9")
        assert (part.status, body(part), fields(part)[b"Content-Encoding"]) == (206, contents[coding][:10], coding)


@pytest.mark.parametrize(
    ("stored", "target", "status"),
    [
        ("index.html.gz", "/", 200),
        ("docs/index.html.gz", "/docs/", 200),
        ("about.html.gz", "/about", 200),
        ("a.svg.gz", "/a.svg", 200),
        ("dump.tar.gz", "/dump.tar", 404),
        ("photo.jpg.gz", "/photo.jpg", 404),
        ("notes.gz", "/notes", 404),
        (".env.txt.gz", "/.env.txt", 404),
        ("app.js.gz", "/app.js/", 404),
        ("app.js.gz", "/app", 404),
        ("a.js.gz.gz", "/a.js", 404),
    ],
)
def test_only_content_that_tools_encode_has_lone_variants(site: Asker, stored: str, target: str, status: int) -> None:
    site.write(stored, PACKED)
    assert site.ask(target, accept_encoding=b"gzip").status == status


def test_each_change_of_a_lone_variant_is_seen(site: Asker) -> None:
    def statuses() -> list[int]:
        site.settle()
        return [site.ask("/app.js", accept_encoding=b"gzip").status for _ in range(2)]

    assert statuses() == [404, 404]
    packed = site.write("app.js.gz", b"")
    assert statuses() == [404, 404]
    packed.write_bytes(PACKED)  # the folder does not change
    assert statuses() == [200, 200]
    packed.write_bytes(TEXT)
    assert statuses() == [404, 404]
    packed.write_bytes(PACKED)
    assert statuses() == [200, 200]
    site.write("app.js", TEXT)
    site.settle()
    assert site.get("/app.js", accept_encoding=b"identity") == (200, TEXT)
    (site.folder / "app.js").unlink()
    assert statuses() == [200, 200]
    packed.unlink()
    assert statuses() == [404, 404]


DOWNLOADS = [
    pytest.param("a.tar.gz", PACKED, GZIP, id="an archive"),
    pytest.param("a.tgz", PACKED, GZIP, id="by its short name"),
    pytest.param("table.csv.gz", PACKED, GZIP, id="a table that is offered"),
    pytest.param("dump.json.gz", PACKED, GZIP, id="and data"),
    pytest.param("page.html.gz", PACKED, GZIP, id="a page, which nothing loads by that name"),
    pytest.param("x.wasm.gz", TEXT, GZIP, id="what is no gzip"),
    pytest.param("x.js.br", b"", BR, id="an empty file"),
    pytest.param("logo.svgz", b"<svg/>", GZIP, id="a picture that is not compressed"),
    pytest.param("tiles/plain/1.pbf", PACKED, b"application/x-protobuf", id="what is not of the rule that is last"),
]


@pytest.mark.parametrize(("name", "content", "media_type"), DOWNLOADS)
def test_other_files_are_what_they_are(site: Asker, name: str, content: bytes, media_type: bytes) -> None:
    site.write(name, content)
    response = site.ask(f"/{name}", accept_encoding=b"gzip, deflate, br, zstd")
    assert (response.status, body(response)) == (200, content)
    assert fields(response)[b"Content-Type"] == media_type
    assert b"Content-Encoding" not in fields(response)


def test_beside_its_original_it_is_a_variant_and_a_download_and_that_is_seen_at_once(site: Asker) -> None:
    site.write("app.js.gz", PACKED)
    site.settle()
    for _ in range(2):
        assert fields(site.ask("/app.js.gz", accept_encoding=b"gzip"))[b"Content-Type"] == JS
    site.write("app.js", TEXT)
    os.utime(site.folder / "app.js.gz")
    site.settle()
    for _ in range(2):
        response = site.ask("/app.js.gz", accept_encoding=b"gzip")
        assert (fields(response)[b"Content-Type"], b"Content-Encoding" in fields(response)) == (GZIP, False)
        assert fields(site.ask("/app.js", accept_encoding=b"gzip"))[b"Content-Encoding"] == b"gzip"
    (site.folder / "app.js").unlink()
    assert fields(site.ask("/app.js.gz", accept_encoding=b"gzip"))[b"Content-Type"] == JS


def test_a_server_sends_tiles_that_are_stored_encoded(tmp_path: Path) -> None:
    (tmp_path / "0.terrain").write_bytes(PACKED)
    with ServerProcess(["--encoded", "*.terrain=gzip", str(tmp_path)]) as server, RawClient(server.connect()) as client:
        response = client.request("/0.terrain", "GET", "Accept-Encoding: gzip, deflate, br")
        assert response.fields["content-encoding"] == "gzip"
        assert gzip.decompress(response.body) == TEXT
