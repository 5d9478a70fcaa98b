"""A store behind a proxy that spoils exchanges: a publish completes or fails with one line, and the next completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from support.faultyproxy import Exchange, Fault, FaultyProxy
from support.s3server import ACCESS_KEY, READ_ONLY_KEY, SECRET_KEY, S3Server
from support.serverprocess import TIMEOUT_S, clean_environment
from support.stores import publish_folder, read_served, write_tree

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.pointer import read_pointer, read_release
from fastfile.releases.publish import PACK_LIMIT
from fastfile.releases.store import (
    AccessDenied,
    Store,
    Stored,
    StoreError,
    Throttled,
    Unavailable,
)

pytest.importorskip("obstore")

from fastfile.releases.s3.store import Limits, S3Store

FAULTS: list[Fault] = ["slow down", "forbidden", "reset", "reset after", "truncate", "flip", "flip request", "hang"]
LIMITS = Limits(request_s=30, call_s=60, large_request_s=30, large_call_s=60)
# Where exchanges hang, the test waits as long. A busy machine may exceed them: then a publish fails, as it may.
SHORT = Limits(request_s=0.5, call_s=3, large_request_s=0.8, large_call_s=4)
BEFORE = {"index.html": b"one", "assets/app-1.js": b"1" * 1000, "same.css": b"same", "large.bin": b"x" * 1_500_000}
AFTER = {"index.html": b"two", "assets/app-2.js": b"2" * 1000, "same.css": b"same", "large.bin": b"y" * 1_500_000}


@pytest.fixture(scope="module")
def proxy(s3_server: S3Server) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(s3_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def direct(s3_location: str) -> Store:
    return open_store(parse_location(s3_location))


@pytest.fixture
def spoiled(
    request: pytest.FixtureRequest, direct: Store, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """The same location, behind the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    hangs = "hang" in request.node.name
    yield S3Store(direct.location, SHORT if hangs else LIMITS)
    proxy.heal()


def check_everything_that_is_named(store: Store) -> None:
    """Check that the pointer, its manifest and all contents are what they say."""
    found = read_pointer(store)
    assert isinstance(found, tuple)
    manifest = read_release(store, found[0])
    for file in manifest.files:
        place = manifest.places.get(file.sha256)
        key = f"blobs/{file.sha256}" if place is None else f"packs/{place.pack}"
        stored = store.get(key)
        assert isinstance(stored, Stored)
        start = place.offset if place else 0
        assert sha256(stored.body[start : start + file.size]).hexdigest() == file.sha256


def maybe_failure(run: Callable[[], object]) -> str:
    """Return the error of a call, which has one line and no secret; else an empty text."""
    try:
        run()
    except StoreError as error:
        line = str(error)
    else:
        return ""
    assert line
    assert "\n" not in line
    assert SECRET_KEY not in line
    return line


@pytest.mark.parametrize("fault", FAULTS)
def test_a_publish_beside_faults_completes_or_fails_with_one_line_and_the_next_completes(
    direct: Store, spoiled: Store, proxy: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    build = tmp_path / "dist"
    publish_folder(direct, write_tree(build, BEFORE))
    write_tree(build, AFTER)
    for seed in range(1 if fault == "hang" else 2):
        spoiled_before = proxy.spoiled
        proxy.spoil(fault, 0.3, seed * 3)
        failure = maybe_failure(lambda: publish_folder(spoiled, build, keep_s=0))
        proxy.heal()
        assert proxy.spoiled > spoiled_before
        assert failure == "" or failure.startswith(str(direct.location))
        assert read_served(direct, pages_only=True) in ((BEFORE, AFTER) if failure else (AFTER,))
        check_everything_that_is_named(direct)
    publish_folder(direct, build, keep_s=0)
    assert read_served(direct) == AFTER


PASSING: list[Fault] = ["slow down", "reset", "truncate"]


@pytest.mark.parametrize("fault", PASSING)
def test_faults_that_pass_are_not_noticed(
    direct: Store, spoiled: Store, proxy: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    proxy.spoil(fault, 0.3)
    publish_folder(spoiled, write_tree(tmp_path / "dist", AFTER))
    assert read_served(spoiled) == AFTER
    proxy.heal()
    assert read_served(direct) == AFTER


@pytest.mark.parametrize("fault", ["flip", "truncate", "reset", "slow down", "hang"])
def test_a_replica_gets_verified_contents_or_an_error(
    direct: Store, spoiled: Store, proxy: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    publish_folder(direct, write_tree(tmp_path / "dist", AFTER))
    proxy.spoil(fault, 0.3, seed=1)
    served: dict[str, bytes] = {}
    failure = maybe_failure(lambda: served.update(read_served(spoiled)))
    assert served == ({} if failure else AFTER)
    proxy.heal()
    assert read_served(spoiled) == AFTER


def test_a_pointer_whose_first_response_is_lost_was_moved_all_the_same(
    direct: Store, spoiled: Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    publish_folder(direct, write_tree(tmp_path / "dist", BEFORE))
    lost = []

    def faulty(exchange: Exchange) -> bool:
        if exchange.method == "PUT" and exchange.target.endswith("/current") and not lost:
            lost.append(exchange)
        return lost[-1:] == [exchange]

    proxy.fault, proxy.faulty = "reset after", faulty
    done = publish_folder(spoiled, write_tree(tmp_path / "dist", AFTER), keep_s=0)
    assert lost
    assert done.is_new
    assert read_served(direct) == AFTER


WHOLE: list[tuple[Fault, type[StoreError], str]] = [
    ("slow down", Throttled, "503 SlowDown"),
    ("forbidden", AccessDenied, "403 AccessDenied"),
    ("skewed", AccessDenied, "403 RequestTimeTooSkewed: the clock of this machine is wrong"),
    ("reset", Unavailable, r"the connection failed|connection reset"),
    ("truncate", Unavailable, r"the connection failed|connection reset"),
    ("hang", Unavailable, "no response in time"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), WHOLE, ids=[row[0] for row in WHOLE])
def test_a_store_that_always_fails_is_one_line_after_the_deadline(
    direct: Store, spoiled: Store, proxy: FaultyProxy, fault: Fault, kind: type[StoreError], text: str
) -> None:
    direct.put("current", b"x" * 1000)
    store = S3Store(direct.location, LIMITS._replace(request_s=0.3 if fault == "hang" else 30, call_s=0.5))
    proxy.spoil(fault, 1)
    began_s = time.monotonic()
    with pytest.raises(kind, match=text) as caught:
        read_pointer(store)
    assert time.monotonic() - began_s < TIMEOUT_S
    line = str(caught.value)
    assert line.startswith(f"{direct.location}: cannot read current at 127.0.0.1:")
    assert line.endswith("(credentials: AWS_ACCESS_KEY_ID)")
    assert "\n" not in line


def test_a_flipped_byte_of_an_upload_is_refused_by_the_store(direct: Store, spoiled: Store, proxy: FaultyProxy) -> None:
    proxy.fault, proxy.faulty = "flip request", lambda exchange: exchange.method == "PUT"
    store = S3Store(direct.location, LIMITS._replace(call_s=1))
    with pytest.raises(StoreError, match=r"cannot write blobs/a at .*: 400 BadDigest: the upload was damaged"):
        store.put("blobs/a", b"x" * 1000)
    assert list(direct.list("blobs/")) == []


Variables = dict[str, str]
WRONG: list[tuple[str, Variables, str]] = [
    ("a wrong secret", {"AWS_SECRET_ACCESS_KEY": "hunter2"}, "403 SignatureDoesNotMatch: the secret key does not"),
    ("an unknown key", {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "403 InvalidAccessKeyId: the store does not know"),
    ("no right to write", {"AWS_ACCESS_KEY_ID": READ_ONLY_KEY}, "403 AccessDenied"),
    ("nothing listens", {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "at 127.0.0.1:9: connection ref"),
    ("no such name", {"AWS_ENDPOINT_URL_S3": "http://no-such.invalid"}, "the name of the endpoint has no address"),
]


@pytest.mark.parametrize(("environment", "text"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_settings_are_one_line_without_a_secret(
    direct: Store, monkeypatch: pytest.MonkeyPatch, environment: Variables, text: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = S3Store(direct.location, LIMITS._replace(call_s=0.5))
    with pytest.raises(StoreError) as caught:
        store.put("blobs/a", b"")
    line = str(caught.value)
    assert text in line
    assert line.startswith(f"{direct.location}: cannot write blobs/a at ")
    assert not {SECRET_KEY, "hunter2", ACCESS_KEY, "\n"} & {
        word for word in (SECRET_KEY, "hunter2", "\n") if word in line
    }


def test_a_bucket_that_does_not_exist_is_said(direct: Store) -> None:
    store = open_store(parse_location("s3://no-such-bucket/site"))
    with pytest.raises(
        StoreError, match=r"s3://no-such-bucket/site: cannot read current at .*: there is no such bucket"
    ):
        store.get("current")


def test_a_store_without_conditions_is_noticed_and_publishing_works(
    s3_location: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    store = Unconditional(open_store(parse_location(s3_location)))
    build = tmp_path / "dist"
    assert publish_folder(store, write_tree(build, BEFORE)).is_conditional is False
    assert publish_folder(store, write_tree(build, AFTER), keep_s=0).is_conditional is False
    assert read_served(store) == AFTER


class Unconditional:
    """A store that ignores conditions, as Ceph 16 does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, key: str, body: bytes, **_: object) -> str:
        return self._store.put(key, body)


def test_an_interrupted_publish_ends_at_once_although_the_store_hangs(
    s3_server: S3Server, s3_location: str, proxy: FaultyProxy, tmp_path: Path
) -> None:
    write_tree(tmp_path / "dist", BEFORE)
    is_there = threading.Event()

    def faulty(exchange: Exchange) -> bool:
        hangs = "/blobs/" in exchange.target
        if hangs:
            is_there.set()
        return hangs

    proxy.fault, proxy.faulty = "hang", faulty
    environment = clean_environment() | s3_server.environment(proxy.url)
    command = [sys.executable, "-m", "fastfile", "publish", "dist", s3_location]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert is_there.wait(TIMEOUT_S)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=TIMEOUT_S)  # a request would hang for 130 s
        finally:
            process.kill()
            proxy.heal()
    assert process.returncode == 130
    assert error == (
        "fastfile publish: interrupted: nothing that is served has changed; the next publish continues this one\n"
    )


# The peak of the process itself: that of getrusage() is at least the parent's.
PUBLISH = """
import sys
from fastfile.cli.main import main
status = main(["publish", "dist", sys.argv[1]])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
sys.exit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_a_large_file_takes_little_memory(s3_location: str, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    with open(tmp_path / "dist/large.bin", "wb") as file:
        file.writelines(os.urandom(1 << 20) for _ in range(100))
    environment = clean_environment() | {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    command = [sys.executable, "-c", PUBLISH, s3_location]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[-1]) < 100_000, ran.stdout


def test_the_default_limits_bear_a_link_of_one_megabit() -> None:
    limits = Limits()
    assert PACK_LIMIT / limits.large_request_s <= limits.bytes_per_s * 1.01
    assert limits.call_s > 2 * limits.request_s
