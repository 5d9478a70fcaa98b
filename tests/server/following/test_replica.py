"""A server of a LOCATION as a process: its start, its follower, signals, health, metrics, and what it never shows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.published import PublishedFolder
from support.rawclient import RawClient, Received
from support.retrying import retried
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment, processes
from support.stores import publish_folder, write_tree

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.releases.location import open_store, parse_location
from fastfile.server import channel
from fastfile.server.confinement.sandbox import landlock_abi
from fastfile.server.following import follower as following

HAS_PROC = os.path.exists("/proc/self/environ")


@contextlib.contextmanager
def serving(
    published: PublishedFolder, *args: str, env: dict[str, str] | None = None, poll: str = "1h", location: str = ""
) -> Iterator[ServerProcess]:
    """Serve a store, or another location; the follower looks at it only when it is asked."""
    cache = str(published.path.parent / "cache")
    options = ["--store-cache", cache, "--store-poll", poll, *args, location or published.location]
    with ServerProcess(options, env) as server:
        yield server


def get(server: ServerProcess, target: str) -> Received:
    with RawClient(server.connect()) as client:
        return client.request(target)


def follower_of(server: ServerProcess) -> int:
    """Return the process of the follower: the one child of the supervisor that is another program."""
    for process in processes():
        if process.parent == server.pid and b"fastfile.follower" in command_of(process.pid):
            return process.pid
    return 0


def command_of(pid: int) -> bytes:
    if HAS_PROC:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        return b""
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout


def wait_until(holds: Callable[[], object], server: ServerProcess) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline_s, server.stderr
        time.sleep(0.01)


def run(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastfile", "--port", "0", *args]
    environment = {**clean_environment(), **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)


@pytest.mark.parametrize("workers", ["1", "2"])
@retried
def test_a_404_finds_what_was_published_a_moment_ago(workers: str, published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published, "--workers", workers) as server:
        wait_until(lambda: get(server, "/").body == b"one", server)
        for number in range(4):
            published.publish({"index.html": b"two", f"{number}.js": b"new"})
            assert get(server, f"/{number}.js").body == b"new"
        # All workers know the release now, without another question.
        assert {get(server, "/").body for _ in range(8)} == {b"two"}


def test_the_pointer_is_read_every_store_poll(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published, poll="100ms") as server:
        published.publish({"index.html": b"two"})
        wait_until(lambda: get(server, "/").body == b"two", server)


def test_a_signal_reads_the_pointer_now(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published) as server:
        published.publish({"index.html": b"two"})
        server.signal(signal.SIGUSR2)
        wait_until(lambda: get(server, "/").body == b"two", server)


def test_a_flood_of_404s_reads_the_pointer_ten_times_a_second(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published, "--workers", "2", "--metrics", f"unix:{published.path.parent}/m") as server:
        began_s = time.monotonic()
        clients = [RawClient(server.connect()) for _ in range(20)]
        for client in clients * 5:
            client.send("/nothing")
        for client in clients * 5:
            assert client.receive().status == 404
        elapsed_s = time.monotonic() - began_s
        for client in clients:
            client.connection.close()
        polls = metric(published.path.parent / "m", "fastfile_store_polls_total")
        assert 2 <= polls <= 3 + elapsed_s / 0.1


def metric(path: Path, name: str) -> float:
    import socket

    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT_S)
    connection.connect(str(path))
    with RawClient(connection, checks=()) as client:
        text = client.request("/metrics").body.decode()
    return float(next(line for line in text.splitlines() if line.startswith(name)).rpartition(" ")[2])


def test_a_server_that_starts_again_needs_no_store(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published) as server:
        assert get(server, "/").body == b"one"
    published.path.rename(published.path.parent / "away")
    with serving(published) as server:
        assert get(server, "/").body == b"one"
        began_s = time.monotonic()
        assert [get(server, "/nothing").status for _ in range(5)] == [404] * 5
        assert time.monotonic() - began_s < TIMEOUT_S / 2


def test_without_a_release_it_waits_for_the_first(published: PublishedFolder) -> None:
    published.path.mkdir()
    ready = threading.Event()
    found: list[bytes] = []

    def serve() -> None:
        with serving(published, poll="100ms") as server:
            found.append(get(server, "/").body)
        ready.set()

    thread = threading.Thread(target=serve)
    thread.start()
    time.sleep(0.2)
    published.publish({"index.html": b"first"})
    assert ready.wait(TIMEOUT_S)
    thread.join()
    assert found == [b"first"]


def test_a_cache_that_cannot_be_made_is_one_line_that_names_the_option(
    published: PublishedFolder, tmp_path: Path
) -> None:
    """As on a read-only file system."""
    (tmp_path / "file").touch()
    done = run("--store-cache", str(tmp_path / "file"), published.location)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith(": Not a directory; choose another folder with --store-cache\n")


def test_without_a_release_a_broken_store_is_one_line(published: PublishedFolder, tmp_path: Path) -> None:
    published.publish({"index.html": b"one"})
    (published.path / "current").write_bytes(b"garbage")
    done = run("--store-cache", str(tmp_path / "cache"), published.location)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1] == f"fastfile: {published.location}: current is not a pointer of fastfile"
    assert "Traceback" not in done.stderr


def test_the_follower_is_replaced_when_it_is_killed(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published) as server:
        before = follower_of(server)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: follower_of(server) not in (0, before), server)
        published.publish({"index.html": b"two", "new": b"new"})
        wait_until(lambda: get(server, "/new").status == 200, server)
        assert "the follower ended: killed by SIGKILL; the release is still served" in server.stderr


def test_a_follower_that_hangs_is_replaced(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published, "--heartbeat-timeout", "3") as server:
        hanging = follower_of(server)
        os.kill(hanging, signal.SIGSTOP)
        assert get(server, "/").body == b"one"
        wait_until(lambda: "the follower ended: no heartbeat of the follower for 3 s, so it" in server.stderr, server)
        published.publish({"index.html": b"two", "new": b"new"})
        wait_until(lambda: get(server, "/new").status == 200, server)
        assert follower_of(server) not in (0, hanging)


def test_a_follower_that_hangs_before_the_first_release_ends_the_start(
    published: PublishedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "START_S", 0.1)
    monkeypatch.setattr(channel, "LAST_CHANCE_S", 0.1)
    monkeypatch.setattr(following, "hide_credentials", lambda environ: None)
    config = Config(store_cache=str(tmp_path / "cache"))
    process = following.FollowerProcess(config, published.location, lambda text: None)
    try:
        process.start()
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(StartError, match=r"no heartbeat of the follower for .* s, so it was killed"):
            process.await_release(0.1)
    finally:
        process.stop()


def test_two_servers_of_one_location_need_two_caches(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published):
        done = run("--store-cache", str(published.path.parent / "cache"), published.location)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("give this server another --store-cache")


def test_one_release_is_served_while_another_server_follows(published: PublishedFolder) -> None:
    first = published.publish({"index.html": b"one"})
    published.publish({"index.html": b"two"})
    with serving(published) as server, serving(published, "--release", first.release, "--health", "/-/h") as preview:
        assert get(server, "/").body == b"two"
        assert get(preview, "/").body == b"one"
        assert get(preview, "/-/h").status == 200
        wait_until(lambda: not follower_of(preview), preview)
        assert get(preview, "/nothing").status == 404
        preview.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in preview.stderr, preview)
        assert get(preview, "/").body == b"one"
    published.path.rename(published.path.parent / "away")
    with serving(published, "--release", first.release) as preview:  # it is on the disk
        assert get(preview, "/").body == b"one"


def test_a_release_that_does_not_exist_is_one_line(published: PublishedFolder, tmp_path: Path) -> None:
    published.publish({"index.html": b"one"})
    done = run("--store-cache", str(tmp_path / "c"), "--release", "20200101T000000Z-0123456789ab", published.location)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "there is no release 20200101T000000Z-0123456789ab" in done.stderr


def test_health_shows_the_age_and_fails_beyond_the_limit(published: PublishedFolder) -> None:
    pointer = published.publish({"index.html": b"one"})
    options = ("--health", "/-/health", "--store-max-age", "1", "--metrics", f"unix:{published.path.parent}/m")
    with serving(published, *options, poll="100ms") as server:
        # On a busy machine any one poll may be later than the limit of a second.
        healthy = b"ok\nrelease %b, confirmed " % pointer.release.encode()
        wait_until(lambda: get(server, "/-/health").body.startswith(healthy), server)
        wait_until(lambda: metric(published.path.parent / "m", "fastfile_release_confirmed") == 1, server)
        (published.path / "current").write_bytes(b"garbage")
        wait_until(lambda: get(server, "/-/health").status == 503, server)
        assert get(server, "/").body == b"one"
        assert metric(published.path.parent / "m", "fastfile_release_confirmed") == 0
        assert metric(published.path.parent / "m", "fastfile_release_age_seconds") > 1
        published.move(pointer)
        wait_until(lambda: get(server, "/-/health").status == 200, server)
        for text in ("is not a pointer of fastfile; still serving release", "confirms release"):
            assert text in server.stderr


@retried
def test_a_reload_and_a_following_publish_work_together(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published, "--workers", "2") as server:
        server.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded the settings" in server.stderr, server)
        published.publish({"index.html": b"two", "new": b"new"})
        assert get(server, "/new").body == b"new"


def test_messages_as_json(published: PublishedFolder) -> None:
    pointer = published.publish({"index.html": b"one"})
    with serving(published, "--log-format", "json") as server:
        events = [json.loads(line) for line in server.stderr.splitlines()]
    assert [event["event"] for event in events] == ["following", "release"]
    assert events[1]["release"] == pointer.release
    assert (events[1]["files"], events[1]["bytes"]) == (1, 3)


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRETSECRET",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t/s3cr3t+s3cr3t",
    "AWS_SESSION_TOKEN": "t0kent0kent0ken",
}


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_only_the_follower_of_a_bucket_has_the_credentials(
    kind: str, published: PublishedFolder, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    location, env = published.location, SECRETS
    if kind == "s3":
        location = request.getfixturevalue("s3_location")
        env = request.getfixturevalue("s3_server").environment()
    secrets = [env[name] for name in SECRETS if name in env]
    publish_folder(open_store(parse_location(location)), write_tree(tmp_path / "dist", {"index.html": b"one"}))
    with serving(published, "--workers", "2", env=env, location=location) as server:
        server.signal(signal.SIGHUP)  # another generation of workers
        wait_until(lambda: "reloaded the settings" in server.stderr, server)
        os.kill(follower_of(server), signal.SIGKILL)  # another follower
        wait_until(lambda: "the follower ended" in server.stderr, server)
        wait_until(lambda: follower_of(server), server)
        get(server, "/nothing")
        if HAS_PROC:
            others = set(server.survivors()) - {follower_of(server) if kind == "s3" else 0}
            assert len(others) >= 3
            for pid in others:
                assert b"AWS_SECRET_ACCESS_KEY=s" not in environment_of(pid)
                assert not any(secret.encode() in environment_of(pid) for secret in secrets)
            if kind == "s3":
                wait_until(lambda: secrets[1].encode() in environment_of(follower_of(server)), server)
        shown = b"".join(map(command_of, server.survivors())).decode() + server.stderr + server.stdout
    config = run("--print-config", location, env=env)
    shown += config.stdout + config.stderr
    shown += "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.name == "lock")
    assert not any(secret in shown for secret in secrets)


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes() if pid else b""


@pytest.mark.skipif(landlock_abi() < 2, reason="this kernel has no Landlock with links between folders")
def test_the_follower_can_write_only_its_cache(published: PublishedFolder) -> None:
    published.publish({"index.html": b"one"})
    with serving(published) as server:
        assert "sandbox: Landlock" in server.stderr


CODE = """
import os, sys, socket
from fastfile.server.confinement.sandbox import confine_writing
cache, other = sys.argv[1:]
os.makedirs(cache + "/a"); os.makedirs(cache + "/b")
print(confine_writing(os.fsencode(cache)))
open(cache + "/a/file", "w").write("x")
os.link(cache + "/a/file", cache + "/b/file")
os.symlink("b", cache + "/link"); os.rename(cache + "/link", cache + "/b/link"); os.unlink(cache + "/a/file")
os.truncate(cache + "/b/file", 0)
print(open(other).read())
for refused in (lambda: open(other, "a"), lambda: os.unlink(other), lambda: os.rename(other, cache + "/stolen"),
                lambda: os.mkdir(other + ".d"), lambda: os.link(other, cache + "/linked")):
    try:
        refused()
        print("allowed")
    except PermissionError:
        print("refused")
    except OSError as error:
        print("refused", error)
"""


@pytest.mark.skipif(landlock_abi() < 2, reason="this kernel has no Landlock with links between folders")
def test_its_sandbox_refuses_every_other_place(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("readable")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "cache"), str(tmp_path / "other")],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    first, content, *outcomes = done.stdout.splitlines()
    assert first.startswith("sandbox: Landlock")
    assert content == "readable"
    assert len(outcomes) == 5
    assert all(outcome.startswith("refused") for outcome in outcomes)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["s3://key:secret@bucket"], "a location has no credentials"),
        (["http://example.org/"], "expected s3://BUCKET/PREFIX or file:///FOLDER"),
        (["file:///srv", "--live"], "--live (from the command line): it needs a folder, and file:///srv is a store"),
        (["file:///srv", "--run", "make"], "--run (from the command line): it needs a folder"),
        (["file:///srv", "--release", "../x"], "expected the id of a release"),
    ],
)
def test_wrong_options_are_one_line(args: list[str], text: str) -> None:
    done = run(*args)
    assert done.returncode == 2
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize("command", ["check", "explain"])
def test_commands_that_read_a_folder_refuse_a_location(command: str) -> None:
    words = ["/"] if command == "explain" else []
    done = subprocess.run(
        [sys.executable, "-m", "fastfile", command, *words, "s3://bucket/site"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "fastfile: s3://bucket/site: only the command fastfile serves a store of releases: name a folder\n"
    )
