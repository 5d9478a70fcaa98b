"""Clients that request many ranges at once, and parse the response in their own way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import require_program
from support.rawclient import MULTIPART, RawClient, Received
from support.servedsite import ServedSite, serve_twice
from support.serverprocess import ONE_LOOP, TIMEOUT_S, ServerProcess

CONTENT = os.urandom(6 << 20)
Range = tuple[int, int]


@pytest.fixture(scope="module", params=ONE_LOOP)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    root = tmp_path_factory.mktemp("served") / "site"
    root.mkdir()
    (root / "app.exe").write_bytes(CONTENT)
    with serve_twice(root, request.param) as served:
        yield served


def read_as_electron_updater(response: Received, ranges: list[Range]) -> list[bytes]:
    """Read a multipart content as electron-updater's DataSplitter does.

    It looks at no Content-Range: parts come in the order asked, each of the length asked, with heads that end at the
    next empty line and one delimiter between.
    """
    assert response.status == 206
    boundary = MULTIPART.fullmatch(response.fields["content-type"])
    assert boundary is not None
    found = []
    position = len(boundary[1]) + 2
    for start, stop in ranges:
        position = response.body.index(b"\r\n\r\n", position) + 4
        found.append(response.body[position : position + stop - start])
        position += stop - start + len(boundary[1]) + 4
    return found


def read_as_zsync(response: Received) -> dict[Range, bytes]:
    """Read a multipart content as zsync does: it drops a line before each delimiter, also before the first."""
    assert response.status == 206
    boundary = MULTIPART.fullmatch(response.fields["content-type"])
    assert boundary is not None
    found = {}
    rest = response.body
    while True:
        _, _, rest = rest.partition(b"\n")
        line, _, rest = rest.partition(b"\n")
        assert line.startswith(b"--" + boundary[1].encode())
        if line.rstrip().endswith(b"--"):
            return found
        while line.strip():
            line, _, rest = rest.partition(b"\n")
            if line.startswith(b"Content-Range: bytes "):
                first, _, last = line.split()[2].partition(b"/")[0].partition(b"-")
        start, stop = int(first), int(last) + 1
        found[start, stop] = rest[: stop - start]
        rest = rest[stop - start :]


def spread(count: int, size: int) -> list[Range]:
    """Return so many ranges of a size, with gaps between them."""
    step = len(CONTENT) // (count + 1)
    return [(number * step + 3, number * step + 3 + size) for number in range(count)]


@pytest.mark.parametrize("count", [2, 17, 60, 400, 500])
def test_electron_updater_gets_all_its_ranges_in_one_response(site: ServedSite, count: int) -> None:
    """It puts up to 1000 tasks into one request, every other of them a range, and rejects a 200."""
    ranges = spread(count, 3000)
    field = "Range: bytes=" + ", ".join(f"{start}-{stop - 1}" for start, stop in ranges)
    for client in (site.connect(), site.connect_to_unix_socket()):
        with client:
            response = client.request(
                "/app.exe", "GET", field, "Accept: */*", "Cache-Control: no-cache", "User-Agent: electron-builder"
            )
            assert read_as_electron_updater(response, ranges) == [CONTENT[start:stop] for start, stop in ranges]
            assert site.is_alive(client)


def test_a_thousand_ranges_come_where_the_field_may_be_so_long(tmp_path: Path) -> None:
    (tmp_path / "app.exe").write_bytes(CONTENT)
    ranges = spread(1000, 2000)
    field = "Range: bytes=" + ", ".join(f"{start}-{stop - 1}" for start, stop in ranges)
    with (
        ServerProcess([os.fspath(tmp_path), "--limit-field-line", "32K"]) as server,
        RawClient(server.connect()) as client,
    ):
        response = client.request("/app.exe", "GET", field)
        assert read_as_electron_updater(response, ranges) == [CONTENT[start:stop] for start, stop in ranges]


def test_zsync_gets_its_twenty_ranges(site: ServedSite) -> None:
    ranges = spread(20, 2048)
    field = "Range: bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in ranges)
    with site.connect() as client:
        response = client.request("/app.exe", "GET", "User-Agent: zsync/0.6.2", field)
        assert read_as_zsync(response) == {(start, stop): CONTENT[start:stop] for start, stop in ranges}


def test_zsync_updates_a_file_by_the_parts_that_differ(site: ServedSite, tmp_path: Path) -> None:
    zsync, zsyncmake = require_program("zsync"), require_program("zsyncmake")
    old = bytearray(CONTENT)
    for start, stop in spread(50, 100):
        old[start:stop] = bytes(stop - start)
    (tmp_path / "old").write_bytes(old)
    index = site.root / "app.zsync"
    subprocess.run([zsyncmake, "-u", "app.exe", "-o", index, site.root / "app.exe"], check=True, capture_output=True)
    done = subprocess.run(
        [zsync, "-i", tmp_path / "old", "-o", "new", f"http://127.0.0.1:{site.server.port}/app.zsync"],
        cwd=tmp_path, check=True, capture_output=True, text=True, timeout=TIMEOUT_S,
        env={"PATH": os.environ["PATH"], "no_proxy": "*"},
    )  # fmt: skip
    assert (tmp_path / "new").read_bytes() == CONTENT
    assert "checksum matches OK" in done.stdout


def test_curl_resumes_a_download(site: ServedSite, tmp_path: Path) -> None:
    curl, part = require_program("curl"), tmp_path / "part"
    url = f"http://127.0.0.1:{site.server.port}/app.exe"
    for size in (1, 1_234_567, len(CONTENT) - 1):
        part.write_bytes(CONTENT[:size])
        command = [curl, "-q", "--silent", "--fail", "--noproxy", "*", "--continue-at", "-", "--output", part, url]
        subprocess.run(command, check=True, timeout=TIMEOUT_S)
        assert part.read_bytes() == CONTENT


def test_a_range_of_a_small_file_a_thousand_times_is_the_whole_file(site: ServedSite) -> None:
    field = "Range: bytes=" + ",".join(f"{number * 2}-{number * 2}" for number in range(1000))
    path = site.root / "small.txt"
    path.write_bytes(b"ab" * 5000)
    with site.connect() as client:
        response = client.request("/small.txt", "GET", field)
        assert (response.status, response.body) == (200, b"ab" * 5000)


def test_a_client_that_goes_in_the_midst_of_many_parts_leaves_nothing_open(site: ServedSite) -> None:
    field = "Range: bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in spread(200, 20_000))
    for _ in range(20):
        with site.connect() as client:
            client.send("/app.exe", "GET", field)
            assert client.connection.recv(1000).startswith(b"HTTP/1.1 206")
    with site.connect() as client:
        assert site.is_alive(client)
