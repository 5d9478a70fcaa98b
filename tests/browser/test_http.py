"""A browser's use of HTTP, against a real server: ranges, revalidation, decoding, seeking in a film.

Assertions use the page and the browser's network records, so another implementation reads the responses.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait
from support.checkout import DATA
from support.chromium import TIMEOUT_S, Exchange, console_errors, exchanges
from support.serverprocess import ServerProcess

FILM = DATA / "film.webm"
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
TEXT = b"The same text, whatever it was packed in. " * 3
PAGE = b"<!DOCTYPE html><title>Page</title><link rel=icon href=data:,><link rel=stylesheet href=style.css><p>Text"
FILM_PAGE = b"<!DOCTYPE html><title>Film</title><link rel=icon href=data:,><video muted preload=metadata src=film.webm>"
GAP = 8 << 20  # more than a browser reads ahead, so that a seek across it needs a request of its own

FETCH = """
const [url, fields, done] = arguments;
fetch(url, {headers: fields, cache: 'no-store'}).then(async response => done({
    status: response.status, fields: Object.fromEntries(response.headers), text: await response.text(),
}), error => done({status: 0, text: String(error)}));
"""
# Resolves once a frame after the seek is shown and playback continues from there.
SEEK = """
const [to_s, done] = arguments, film = document.querySelector('video');
film.onerror = () => done({error: film.error.message});
film.onseeked = () => film.play();
film.ontimeupdate = () => {
    if (film.seeking || film.currentTime <= to_s) return;
    const picture = Object.assign(document.createElement('canvas'), {width: 320, height: 180}).getContext('2d');
    picture.drawImage(film, 0, 0);
    done({time_s: film.currentTime, colour: [...picture.getImageData(160, 90, 1, 1).data]});
};
film.currentTime = to_s;
"""


def brotli_stored(content: bytes) -> bytes:
    """Return the content as a brotli stream of one uncompressed meta-block (RFC 7932 §9.2)."""
    return (1 << 20 | len(content) - 1 << 4).to_bytes(3, "little") + content + b"\x03"


def zstd_stored(content: bytes) -> bytes:
    """Return the content, shorter than 256 bytes, as a zstd frame of one raw block (RFC 8878 §3.1.1)."""
    return b"\x28\xb5\x2f\xfd\x20%c%b%b" % (len(content), (len(content) << 3 | 1).to_bytes(3, "little"), content)


def write_long_film(path: Path) -> None:
    """Write the film with a gap, an EBML Void that is a hole on the disk, before its seventh second.

    RFC 9559: what comes after the gap moves, so the size of the Segment and the cues into it are written again.
    """
    film = bytearray(FILM.read_bytes())
    segment = film.index(b"\x18\x53\x80\x67") + 12  # positions count from here; the size before it has 7 bytes
    cluster = film.index(b"\x1f\x43\xb6\x75\x6a\x18")
    place = film.find(b"\xf1\x83")  # CueClusterPosition in three bytes: beyond 64 KiB
    while 0 <= place < cluster:
        position = int.from_bytes(film[place + 2 : place + 5], "big")
        assert position >= cluster - segment
        film[place + 2 : place + 5] = (position + GAP).to_bytes(3, "big")
        place = film.find(b"\xf1\x83", place + 1)
    film[segment - 7 : segment] = (len(film) - segment + GAP).to_bytes(7, "big")
    with path.open("wb") as file:
        file.write(film[:cluster] + b"\xec\x01" + (GAP - 9).to_bytes(7, "big"))
        file.seek(cluster + GAP)
        file.write(film[cluster:])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "index.html").write_bytes(PAGE)
    (root / "style.css").write_bytes(b"p{color:#010203}")
    (root / "letters.txt").write_bytes(LETTERS)
    for suffix, packed in ((".br", brotli_stored(TEXT)), (".zst", zstd_stored(TEXT)), (".gz", gzip.compress(TEXT))):
        (root / f"text{suffix}.txt").write_bytes(TEXT)
        (root / f"text{suffix}.txt{suffix}").write_bytes(packed)
    (root / "film.html").write_bytes(FILM_PAGE)
    write_long_film(root / "film.webm")
    for path in root.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return root


@pytest.fixture(scope="module")
def origin(site: Path) -> Iterator[str]:
    with ServerProcess([str(site)]) as server:
        yield f"http://localhost:{server.port}/"


@pytest.fixture
def browser(chrome: webdriver.Chrome, origin: str) -> webdriver.Chrome:
    """The browser on the site's page, its records empty."""
    chrome.get(origin)
    exchanges(chrome, origin)
    console_errors(chrome)
    return chrome


def fetch(browser: webdriver.Chrome, url: str, **fields: str) -> dict[str, Any]:
    return browser.execute_async_script(FETCH, url, {name.replace("_", "-"): text for name, text in fields.items()})


def exchange_of(found: list[Exchange], url: str) -> Exchange:
    (exchange,) = [exchange for exchange in found if exchange.url == url]
    return exchange


@pytest.mark.parametrize(
    ("asked", "content_range", "text"),
    [
        pytest.param("bytes=0-0", "bytes 0-0/26", "a", id="the first byte"),
        pytest.param("bytes=2-4", "bytes 2-4/26", "cde", id="some bytes"),
        pytest.param("bytes=24-", "bytes 24-25/26", "yz", id="all from one on"),
        pytest.param("bytes=-3", "bytes 23-25/26", "xyz", id="the last bytes"),
        pytest.param("bytes=20-99", "bytes 20-25/26", "uvwxyz", id="a range beyond the end is cut"),
    ],
)
def test_fetch_gets_a_range(browser: webdriver.Chrome, asked: str, content_range: str, text: str) -> None:
    response = fetch(browser, "letters.txt", Range=asked)
    assert (response["status"], response["fields"]["content-range"], response["text"]) == (206, content_range, text)


def test_fetch_gets_several_ranges_as_multipart(browser: webdriver.Chrome) -> None:
    response = fetch(browser, "letters.txt", Range="bytes=0-1,4-5")
    assert response["status"] == 206
    media_type, _, boundary = response["fields"]["content-type"].partition("; boundary=")
    assert media_type == "multipart/byteranges"
    parts = response["text"].split(f"--{boundary}")
    assert [part.partition("\r\n\r\n")[2] for part in parts[1:-1]] == ["ab\r\n", "ef\r\n"]


def test_fetch_gets_416_for_a_range_without_bytes(browser: webdriver.Chrome) -> None:
    response = fetch(browser, "letters.txt", Range="bytes=26-")
    assert (response["status"], response["fields"]["content-range"]) == (416, "bytes */26")


@pytest.mark.parametrize("validator", ["etag", "last-modified"])
def test_fetch_gets_a_range_if_the_file_is_still_the_same(browser: webdriver.Chrome, validator: str) -> None:
    current = fetch(browser, "letters.txt")["fields"][validator]
    response = fetch(browser, "letters.txt", Range="bytes=1-2", If_Range=current)
    assert (response["status"], response["text"]) == (206, "bc")


@pytest.mark.parametrize("stale", ['"another"', "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_fetch_gets_the_whole_file_if_it_is_another(browser: webdriver.Chrome, stale: str) -> None:
    response = fetch(browser, "letters.txt", Range="bytes=1-2", If_Range=stale)
    assert (response["status"], response["text"]) == (200, LETTERS.decode())


def test_a_reload_costs_304_for_the_page_and_what_is_in_it(browser: webdriver.Chrome, origin: str) -> None:
    browser.refresh()
    found = exchanges(browser, origin)
    assert sorted((exchange.url, exchange.status) for exchange in found) == [("", 304), ("style.css", 304)]
    for exchange in found:
        assert exchange.request_fields["if-none-match"] == exchange.fields["etag"]
    assert browser.title == "Page"
    colour = browser.execute_script("return getComputedStyle(document.querySelector('p')).color")
    assert colour == "rgb(1, 2, 3)", "the style that 304 confirmed is not in use"


def test_a_reload_shows_a_page_that_was_written_again(browser: webdriver.Chrome, site: Path) -> None:
    (site / "index.html").write_bytes(PAGE.replace(b"Page", b"Next"))
    browser.refresh()
    title = browser.title
    (site / "index.html").write_bytes(PAGE)
    assert title == "Next"


@pytest.mark.parametrize(("suffix", "coding"), [(".br", "br"), (".zst", "zstd"), (".gz", "gzip")])
def test_the_browser_decodes_a_variant(browser: webdriver.Chrome, origin: str, suffix: str, coding: str) -> None:
    response = fetch(browser, f"text{suffix}.txt")
    assert (response["status"], response["text"]) == (200, TEXT.decode())
    exchange = exchange_of(exchanges(browser, origin), f"text{suffix}.txt")
    assert (exchange.fields["content-encoding"], exchange.fields["vary"]) == (coding, "Accept-Encoding")
    assert exchange.fields["content-type"] == "text/plain; charset=utf-8"


def test_the_browser_gets_a_range_of_the_text_and_not_of_its_variant(browser: webdriver.Chrome) -> None:
    response = fetch(browser, "text.br.txt", Range="bytes=4-7")
    assert (response["status"], response["text"]) == (206, "same")


def test_a_film_seeks_over_what_was_never_sent_and_plays_on(browser: webdriver.Chrome, origin: str, site: Path) -> None:
    browser.get(origin + "film.html")
    WebDriverWait(browser, TIMEOUT_S).until(
        lambda page: page.execute_script("return document.querySelector('video').readyState >= 1")
    )
    assert browser.execute_script("return document.querySelector('video').duration") == pytest.approx(10, abs=0.2)
    shown = browser.execute_async_script(SEEK, 8)
    assert "error" not in shown, shown
    assert shown["time_s"] > 8
    red, _, blue, _ = shown["colour"]
    assert blue > 150 > 100 > red, "not a picture from after the seek"
    asked = [exchange for exchange in exchanges(browser, origin) if exchange.url == "film.webm"]
    # It may send another, conditional request: then 304, although a range is requested (RFC 9110 §13.2.2).
    assert {exchange.status for exchange in asked} - {304} == {206}
    size = (site / "film.webm").stat().st_size
    starts = []
    for exchange in asked:
        if exchange.status == 206:
            starts.append(int(exchange.request_fields["range"].removeprefix("bytes=").split("-")[0]))
            assert exchange.fields["content-range"] == f"bytes {starts[-1]}-{size - 1}/{size}"
    assert max(starts) > GAP, f"no request across the gap: {starts}"
    assert console_errors(browser) == []
