"""Several replicas of one location, with clients that change between them, while releases are published."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.faultyproxy import FaultyProxy
from support.random_routing import RandomRouting
from support.s3server import S3Server


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_no_page_misses_its_script_and_no_validator_differs(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    location = f"file://{tmp_path}/store" if kind == "file" else request.getfixturevalue("s3_location")
    routing = RandomRouting(tmp_path, location, replicas=3)
    routing.run(publishes=4, rollbacks=1, clients=3, pause_s=0.3, pages=20)
    assert not routing.broken_promises()
    assert routing.counts["pages"] >= 20
    assert routing.counts["rollbacks"] == 1


def test_no_page_misses_its_script_while_exchanges_with_the_store_are_spoiled(
    tmp_path: Path, s3_location: str, s3_server: S3Server
) -> None:
    proxy = FaultyProxy(s3_server.port)
    try:
        routing = RandomRouting(tmp_path, s3_location, replicas=2, proxy=proxy)
        routing.run(publishes=5, rollbacks=1, clients=2, pause_s=0.3, pages=10)
    finally:
        proxy.close()
    assert not routing.broken_promises()
    assert routing.counts["pages"] >= 10
    assert proxy.spoiled > 3
