"""curl and Python's own client read the responses, as independent judges.

Each test is a common task on a shell: resume a download, revalidate a copy, request a part.
"""

from __future__ import annotations

import gzip
import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, ServerProcess

LARGE = bytes(range(256)) * 4096  # 1 MiB: by sendfile
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
SCRIPT = b"console.log('packed');\n" * 40
MTIME_S = 1_700_000_000
MTIME = "Tue, 14 Nov 2023 22:13:20 GMT"


class Result(NamedTuple):
    exit_status: int
    status: int
    body: bytes  # curl's output, decoded if requested


class Curl:
    """Runs curl against the server at ``port``, strict about everything it can be strict about."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.program = require_program("curl")

    def __call__(self, target: str, *options: str) -> Result:
        command = [self.program, "-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(int(TIMEOUT_S))]
        command += ["--write-out", "%{stderr}%{http_code}", *options, self.origin + target]
        done = subprocess.run(command, capture_output=True, check=False)
        return Result(done.returncode, int(done.stderr[-3:]), done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "letters.txt").write_bytes(LETTERS)
    (root / "large.bin").write_bytes(LARGE)
    (root / "app.js").write_bytes(SCRIPT)
    (root / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (root / "folder").mkdir()
    (root / "folder/inner.txt").write_bytes(b"inner")
    for path in root.rglob("*.*"):
        os.utime(path, (MTIME_S, MTIME_S))
    return root


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[ServerProcess]:
    with ServerProcess([str(site)]) as running:
        yield running


@pytest.fixture
def curl(server: ServerProcess) -> Curl:
    return Curl(server.port)


def test_curl_gets_a_file_in_every_version_that_it_speaks(curl: Curl) -> None:
    for version in ("--http1.1", "--http1.0", "--http2"):  # the last asks for an upgrade, which is ignored
        assert curl("/letters.txt", version) == (0, 200, LETTERS), version
        assert curl("/large.bin", version) == (0, 200, LARGE), version


def test_curl_decodes_what_it_asked_to_be_compressed(curl: Curl) -> None:
    assert curl("/app.js", "--compressed") == (0, 200, SCRIPT)
    packed = curl("/app.js", "--header", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == SCRIPT
    assert curl("/app.js") == (0, 200, SCRIPT)


@pytest.mark.parametrize(
    ("asked", "body"),
    [("0-0", b"a"), ("2-4", b"cde"), ("24-", b"yz"), ("-3", b"xyz"), ("20-99", b"uvwxyz")],
)
def test_curl_gets_a_range(curl: Curl, asked: str, body: bytes) -> None:
    assert curl("/letters.txt", "--range", asked) == (0, 206, body)


def test_curl_gets_several_ranges_as_they_are(curl: Curl) -> None:
    result = curl("/large.bin", "--range", "0-0,1048575-")
    assert (result.exit_status, result.status) == (0, 206)
    assert b"Content-Range: bytes 0-0/1048576\r\n\r\n\x00\r\n" in result.body
    assert b"Content-Range: bytes 1048575-1048575/1048576\r\n\r\n\xff\r\n" in result.body


def test_curl_gets_416_for_a_range_beyond_the_end(curl: Curl) -> None:
    result = curl("/letters.txt", "--range", "26-", "--fail")
    assert (result.exit_status, result.status) == (22, 416)


@pytest.mark.parametrize("had", [0, 1, 65536, len(LARGE) - 1])
def test_curl_resumes_a_download(curl: Curl, tmp_path: Path, had: int) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(LARGE[:had])
    result = curl("/large.bin", "--continue-at", "-", "--output", str(copy))
    assert (result.exit_status, result.status) == (0, 206 if had else 200)
    assert copy.read_bytes() == LARGE


def test_curl_has_nothing_to_resume_of_a_whole_copy(curl: Curl, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(LARGE)
    result = curl("/large.bin", "--continue-at", "-", "--output", str(copy))
    assert result.status == 416
    assert copy.read_bytes() == LARGE


@pytest.mark.parametrize(
    ("age_s", "status"),
    [
        pytest.param(-1, 200, id="a copy that is older is sent anew"),
        pytest.param(0, 304, id="a copy of the same second is not"),
        pytest.param(1, 304, id="a copy that is newer is not"),
    ],
)
def test_curl_revalidates_a_copy_by_its_date(curl: Curl, tmp_path: Path, age_s: int, status: int) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(b"the copy")
    os.utime(copy, (MTIME_S + age_s, MTIME_S + age_s))
    assert curl("/letters.txt", "--time-cond", str(copy)) == (0, status, LETTERS if status == 200 else b"")


def test_curl_sets_the_date_of_a_copy(curl: Curl, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    curl("/letters.txt", "--remote-time", "--output", str(copy))
    assert copy.stat().st_mtime == MTIME_S


def test_curl_revalidates_a_copy_by_its_entity_tag(curl: Curl, tmp_path: Path) -> None:
    tag = tmp_path / "tag"
    ways = ("--etag-save", str(tag), "--etag-compare", str(tag))
    tag.touch()
    assert curl("/letters.txt", *ways) == (0, 200, LETTERS)
    assert curl("/letters.txt", *ways) == (0, 304, b"")
    tag.write_text('"another"\n')
    assert curl("/letters.txt", *ways) == (0, 200, LETTERS)


def test_curl_follows_the_way_to_a_folder_with_the_query(curl: Curl) -> None:
    redirected = curl("/folder?a=b%20c", "--location", "--write-out", "%{stderr}%{url_effective}\n%{http_code}")
    assert (redirected.exit_status, redirected.status) == (0, 200)
    assert b"inner.txt" in redirected.body
    assert curl("/folder", "--head").status == 301


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/folder/../letters.txt", 200),
        ("/../letters.txt", 400),
        ("/folder/../../letters.txt", 400),
        ("/..%2fletters.txt", 400),
        ("/./letters.txt", 200),
        ("//letters.txt", 200),
    ],
)
def test_curl_sends_a_path_as_it_is(curl: Curl, target: str, status: int) -> None:
    assert curl(target, "--path-as-is").status == status


def test_curl_gets_a_head_that_is_what_get_says(curl: Curl) -> None:
    for target in ("/letters.txt", "/app.js", "/folder", "/folder/", "/nothing"):
        get = curl(target, "--dump-header", "-", "--output", os.devnull)
        head = curl(target, "--head")
        assert undated(head.body) == undated(get.body), target


def undated(head: bytes) -> list[bytes]:
    return [line for line in head.splitlines() if not line.startswith(b"Date:")]


def test_curl_gets_no_100_for_a_body_that_is_refused(curl: Curl, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    result = curl("/letters.txt", "--upload-file", str(upload), "--header", "Expect: 100-continue", "--verbose")
    assert (result.exit_status, result.status) == (0, 405)


def test_curl_uses_one_connection_for_all(curl: Curl) -> None:
    others = [curl.origin + target for target in ("/letters.txt", "/nothing", "/app.js", "/folder")]
    result = curl("/large.bin", "--head", *others, "--write-out", "%{num_connects}%{stderr}%{http_code}")
    connects = [rest[:1] for rest in result.body.split(b"\r\n\r\n")[1:]]
    assert connects == [b"1", b"0", b"0", b"0", b"0"]


def test_curl_goes_on_after_an_upload_that_is_refused(curl: Curl, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * 200_000)
    url = f"{curl.origin}/letters.txt"
    options = ["--silent", "--noproxy", "*", "--output", os.devnull, "--write-out", "%{http_code} %{num_connects}\n"]
    command = [
        curl.program,
        *options,
        "--header",
        "Expect:",
        "--data-binary",
        f"@{upload}",
        url,
        "--next",
        *options,
        url,
    ]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"405 1\n200 0\n"


def test_python_reads_every_kind_of_response_on_one_connection(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    connection.connect()
    socket = connection.sock
    rows: list[tuple[str, str, dict[str, str], int, bytes | None]] = [
        ("GET", "/letters.txt", {}, 200, LETTERS),
        ("HEAD", "/large.bin", {}, 200, b""),
        ("GET", "/large.bin", {"Range": "bytes=-256"}, 206, LARGE[-256:]),
        ("GET", "/letters.txt", {"If-Modified-Since": MTIME}, 304, b""),
        ("GET", "/letters.txt", {"If-Match": '"another"'}, 412, None),
        ("GET", "/letters.txt", {"Range": "bytes=99-"}, 416, None),
        ("OPTIONS", "*", {}, 204, b""),
        ("GET", "/folder", {}, 301, None),
        ("DELETE", "/letters.txt", {}, 405, None),
        ("GET", "/nothing", {"Accept": "application/json"}, 404, None),
        ("GET", "/large.bin", {}, 200, LARGE),
    ]
    for method, target, fields, status, body in rows:
        connection.request(method, target, headers=fields)
        response = connection.getresponse()
        content = response.read()
        assert (response.status, response.version, response.will_close) == (status, 11, False), (method, target)
        assert body is None or content == body, (method, target)
        assert method == "HEAD" or status in (204, 304) or int(response.headers["Content-Length"]) == len(content)
    assert connection.sock is socket, "the connection was not kept"
    connection.close()
