"""A replica of a bucket of a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import pytest
from support.faultyproxy import FaultyProxy
from support.rawclient import RawClient
from support.retrying import retried
from support.s3server import S3Server
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment
from support.stores import publish_folder, write_tree

from fastfile.releases.location import open_store, parse_location

FILES = {"index.html": b"one", "large.bin": os.urandom(3 << 20), "empty.txt": b""}


def publish(folder: Path, location: str, files: dict[str, bytes]) -> None:
    publish_folder(open_store(parse_location(location)), write_tree(folder / "dist", files))


@retried
def test_a_replica_of_a_bucket_serves_and_follows_it(tmp_path: Path, s3_location: str) -> None:
    publish(tmp_path, s3_location, FILES)
    options = ["--store-cache", mkdtemp(dir=tmp_path), "--store-poll", "1h", s3_location]
    with ServerProcess(options) as server, RawClient(server.connect()) as client:
        assert client.request("/").body == b"one"
        assert client.request("/large.bin").body == FILES["large.bin"]
        assert client.request("/empty.txt").body == b""
        publish(tmp_path, s3_location, {**FILES, "index.html": b"two", "new.js": b"new"})
        assert client.request("/new.js").body == b"new"
        assert client.request("/").body == b"two"


def test_a_store_that_hangs_makes_one_404_late_and_stops_nothing(
    tmp_path: Path, s3_location: str, s3_server: S3Server
) -> None:
    publish(tmp_path, s3_location, {"index.html": b"one"})
    proxy = FaultyProxy(s3_server.port)
    options = ["--store-cache", str(tmp_path / "cache"), "--store-poll", "200ms", s3_location]
    try:
        with ServerProcess(options, s3_server.environment(proxy.url)) as server, RawClient(server.connect()) as client:
            assert client.request("/nothing").status == 404
            proxy.spoil("hang", 1.0)
            began_s = time.monotonic()
            for _ in range(50):
                assert client.request("/nothing").status == 404
                assert client.request("/new.js").status == 503
                assert client.request("/").body == b"one"
            assert time.monotonic() - began_s < 90  # 200 and more without the rule that only the first one waits
            publish(tmp_path, s3_location, {"index.html": b"two", "new.js": b"new"})
            proxy.heal()
            deadline_s = time.monotonic() + TIMEOUT_S
            while client.request("/new.js").status != 200:
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            assert client.request("/").body == b"two"
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("environment", "texts"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAWRONGWRONG"}, ["403", "AWS_ACCESS_KEY_ID"]),
        ({"AWS_SECRET_ACCESS_KEY": "wrongwrongwrong"}, ["403", "AWS_ACCESS_KEY_ID"]),
    ],
    ids=["unknown key", "wrong secret"],
)
def test_without_a_release_a_refusal_is_one_line(
    environment: dict[str, str], texts: list[str], tmp_path: Path, s3_location: str, s3_server: S3Server
) -> None:
    publish(tmp_path, s3_location, {"a": b"1"})
    command = [sys.executable, "-m", "fastfile", "--port", "0", "--quiet", "--store-cache", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, s3_location],
        env={**clean_environment(), **s3_server.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    for text in (s3_location, *texts):
        assert text in done.stderr
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert os.environ[name] not in done.stderr
        assert environment.get(name, "no value") not in done.stderr
