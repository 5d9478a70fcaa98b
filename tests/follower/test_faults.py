"""A network that spoils a third of all exchanges with a real S3 server: nothing wrong is ever served."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import get_args

import pytest
from support.faultyproxy import Fault, FaultyProxy
from support.following import Following, read_tree
from support.s3server import S3Server
from support.serverprocess import TIMEOUT_S
from support.stores import publish_folder, write_tree

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.store import StoreError

FAULTS = [fault for fault in get_args(Fault) if fault != "flip request"]  # a GET has no body


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(s3_server.port)
    yield proxy
    proxy.close()


def make_files(number: int) -> dict[str, bytes]:
    small = {f"{name}.txt": b"%d of %d\n" % (name, number) * 100 for name in range(20)}
    return {**small, "same.css": b"same" * 1000, "large.bin": os.urandom(3 << 20)}


def poll(following: Following) -> None:
    """Read the pointer; without a release a failure is an error."""
    has_release = following.follower.status.release != ""
    with nullcontext() if has_release else suppress(StoreError):
        following.poll()


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_wrong_is_served_and_in_the_end_the_new_release(
    fault: Fault, tmp_path: Path, s3_location: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastfile.releases.s3.store import Limits, S3Store

    location = parse_location(s3_location)
    publisher = open_store(location)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    replica = S3Store(location, Limits(request_s=0.3, call_s=0.6, large_request_s=1, large_call_s=2))
    following = Following(replica, tmp_path / "cache")
    valid: list[dict[str, bytes]] = [{}]
    for number in range(3):
        valid.append(make_files(number))
        publish_folder(publisher, write_tree(tmp_path / "dist", valid[-1]), keep_s=0)
        proxy.spoil(fault, 0.3, seed=number)
        for _ in range(5):
            poll(following)
            served = read_tree(following.folder / "current")
            assert served in valid[-2:]
            if served == valid[-1]:
                break
        proxy.heal()
        deadline_s = time.monotonic() + TIMEOUT_S
        while read_tree(following.folder / "current") != valid[-1]:  # a busy machine may miss a deadline
            assert time.monotonic() < deadline_s
            poll(following)
    assert proxy.spoiled
    shown = "".join(following.log.texts)
    assert not any(os.environ[name] in shown for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    following.close()


def test_a_wrong_clock_is_named(
    tmp_path: Path, s3_location: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    store = open_store(parse_location(s3_location))
    publish_folder(store, write_tree(tmp_path / "dist", {"a": b"1"}))
    following = Following(store, tmp_path / "cache")
    following.poll()
    proxy.spoil("skewed", 1.0)
    assert following.poll().state == "failing"
    assert "clock" in following.log.texts[-1]
    following.close()
