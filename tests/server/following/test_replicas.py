"""Several replicas of one location, with clients that change between them, while releases are published."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.random_routing import RandomRouting


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_no_page_misses_its_script_and_no_validator_differs(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    location = f"file://{tmp_path}/store" if kind == "file" else request.getfixturevalue("s3_location")
    routing = RandomRouting(tmp_path, location, replicas=3)
    routing.run(publishes=4, rollbacks=1, clients=3, pause_s=0.3)
    assert not routing.failures
    assert routing.counts["pages"] > 20
    assert routing.counts["rollbacks"] == 1
