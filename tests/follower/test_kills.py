"""kill -9 at each step of fetching and switching."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.serverprocess import TIMEOUT_S, clean_environment

TESTS = Path(__file__).parents[1]


def test_a_follower_that_is_killed_at_any_step_loses_nothing_and_shows_no_partial_release(tmp_path: Path) -> None:
    environment = clean_environment()
    environment["PYTHONPATH"] += f":{TESTS}"
    run = subprocess.run(
        [sys.executable, "-m", "support.killed_follow", tmp_path],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 40
