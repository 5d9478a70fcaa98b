"""A folder is swapped for a link that leads outside, in a tight loop, while requests go through it.

The test checks that no byte from outside is ever sent, by openat2 if the kernel is compiled, and by the walk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import KERNEL_KINDS
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

DURATION_S = float(os.environ.get("FASTFILE_TEST_RACE_S") or 3)  # make torture takes minutes
LONGEST_S = DURATION_S + 60
INSIDE = b"inside: this may be sent"
SECRET = b"outside: nobody may ever see this"
SIZES = {"small": 1, "large": 5000}  # sent from memory, and by sendfile

# Three swaps at once: a folder and a link exchange their names, a file is renamed over by a link, and a link to a
# folder inside is renamed over by one to a folder outside.
SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(100):
        os.rename("folder", "aside")
        os.rename("link-out", "folder")
        os.rename("folder", "link-out")
        os.rename("aside", "folder")
        os.symlink("../outside/small", "next-file")
        os.rename("next-file", "file")
        os.link("kept", "next-file")
        os.rename("next-file", "file")
        os.symlink("../outside", "next-hop")
        os.rename("next-hop", "hop")
        os.symlink("inside", "next-hop")
        os.rename("next-hop", "hop")
"""
TARGETS = (
    "/folder/small",
    "/folder/large",
    "/file",
    "/hop/small",
    "/hop/large",
    "/folder/",
    "/hop/",
    "/folder/../hop/small",
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    for folder, content in (("site/folder", INSIDE), ("site/inside", INSIDE), ("outside", SECRET)):
        (tmp_path / folder).mkdir(parents=True)
        for name, times in SIZES.items():
            (tmp_path / folder / name).write_bytes(content * times)
    (tmp_path / "outside" / "named-secret").write_bytes(b"")
    (root / "kept").write_bytes(INSIDE)
    os.link(root / "kept", root / "file")
    (root / "link-out").symlink_to("../outside")
    (root / "hop").symlink_to("inside")
    return root


@pytest.fixture
def swapping(site: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-S", "-c", SWAPPER, str(site)], stderr=subprocess.PIPE)
    try:
        yield
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
    finally:
        process.kill()
        process.communicate()


def has_met(seen: dict[int, int]) -> bool:
    """Tell whether responses of both sides of the race were seen; else there was none."""
    return seen.get(200, 0) > 100 and seen.get(404, 0) > 20


@pytest.mark.parametrize("way", KERNEL_KINDS)
def test_no_byte_from_outside_is_sent_while_links_are_swapped(site: Path, way: str, swapping: None) -> None:
    pure = {"FASTFILE_NO_EXTENSIONS": "1"} if way == "pure" else {}
    seen: dict[int, int] = {}
    with ServerProcess([str(site)], env=pure) as server, RawClient(server.connect()) as client:
        began_s = time.monotonic()
        # On a busy machine both sides of the race take longer to meet.
        while (now_s := time.monotonic() - began_s) < DURATION_S or (not has_met(seen) and now_s < LONGEST_S):
            for target in TARGETS:
                response = client.request(target)
                assert b"outside" not in response.body, target
                assert b"named-secret" not in response.body, target
                assert response.status in (200, 404), (target, response)
                seen[response.status] = seen.get(response.status, 0) + 1
    assert has_met(seen), seen
