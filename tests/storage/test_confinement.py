"""Ways out of the root: all are closed, and none reveals what is outside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, Received
from support.serverprocess import ServerProcess

SECRET = b"nobody may ever see this"
# With the sandbox off, only the opens keep a request inside; each of the two must be enough.
SANDBOXES = ["off", "auto"]


@pytest.fixture(scope="module", params=SANDBOXES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    parent = tmp_path_factory.mktemp("confinement")
    root = parent / "site"
    for folder in (root / "inner", parent / "site-secret", parent / "outside" / "folder"):
        folder.mkdir(parents=True)
    for path in (parent / "secret.txt", parent / "site-secret" / "secret.txt", parent / "outside" / "secret.txt"):
        path.write_bytes(SECRET)
    (root / "index.html").write_text("home")
    links = {
        "up": "..", "up-file": "../secret.txt", "sibling": "../site-secret", "climb": "inner/../../secret.txt",
        "absolute": str(parent / "secret.txt"), "absolute-sibling": str(parent / "site-secret" / "secret.txt"),
        "chain": "up-file", "twice": "up/outside", "root": "/", "etc": "/etc/passwd", "folder": "../outside/folder",
        "back-and-out": f"{root}/../secret.txt", "nothing": "../no-such-thing", "nothing-absolute": "/no/such/thing",
        "proc-root": f"/proc/self/root{parent}/secret.txt", "proc-cwd": "/proc/self/cwd", "proc-fd": "/proc/self/fd",
        "proc-fd-0": "/proc/self/fd/0", "proc-exe": "/proc/self/exe", "proc-environ": "/proc/self/environ",
        "dev-fd": "/dev/fd/0", "stdin": "/dev/stdin", "null": "/dev/null", "zero": "/dev/zero",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
        (root / "inner" / name).symlink_to(f"../{name}")
    with ServerProcess(
        ["--sandbox", request.param, "--allowed-host", "localhost", str(root)], cwd=str(parent)
    ) as running:
        running.links = sorted(links)  # type: ignore[attr-defined]
        yield running


TRAVERSALS = [
    "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt", "/.%2e/secret.txt",
    "/inner/../../secret.txt", "/inner/%2e%2e/%2e%2e/secret.txt", "//../secret.txt", "/./../secret.txt",
    "/..;/secret.txt", "/..\\secret.txt", "/..%5csecret.txt", "/%252e%252e/secret.txt", "/..%c0%afsecret.txt",
    "/%c0%ae%c0%ae/secret.txt", "/%u002e%u002e/secret.txt", "/..%00/secret.txt", "/secret.txt%00.html",
    "/../site-secret/secret.txt", "/-secret/secret.txt", "/%2e%2e/site-secret/secret.txt", "/../../../../etc/passwd",
    "//etc/passwd", "/%2fetc/passwd", "/index.html/../../secret.txt", "/index.html%2f..%2f..%2fsecret.txt",
    "/proc/self/root/etc/passwd", "/...//secret.txt", "/.%00./secret.txt", "/~root/.bashrc", "/file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("target", TRAVERSALS)
def test_no_path_leads_out(client: RawClient, target: str) -> None:
    response = client.request(target)
    assert response.status in (400, 404)
    assert SECRET not in response.body
    assert b"root:" not in response.body


def test_no_absolute_target_leads_out(client: RawClient) -> None:
    for target in (
        "http://localhost/../secret.txt",
        "http://localhost//etc/passwd",
        "http://localhost/%2e%2e/secret.txt",
    ):
        assert client.request(target).status in (400, 404)


def told(response: Received) -> tuple[int, bytes, frozenset[tuple[str, str]]]:
    """Return everything that a client learns, except the time."""
    return response.status, response.body, frozenset(response.fields.items()) - {("date", response.fields["date"])}


@pytest.mark.parametrize("end", ["", "/", "/secret.txt", "/no-such-thing", "/folder", "/etc/passwd"])
@pytest.mark.parametrize("folder", ["/", "/inner/"])
def test_no_link_leads_out_nor_tells_what_is_there(server: ServerProcess, folder: str, end: str) -> None:
    with RawClient(server.connect()) as client:
        nothing = told(client.request(f"{folder}is-not-there{end}"))
        assert nothing[0] == 404
        for name in server.links:  # type: ignore[attr-defined]
            for method in ("GET", "HEAD", "GET"):  # again: also from the cache
                answer = told(client.request(f"{folder}{name}{end}", method))
                assert (name, answer[0], answer[2]) == (name, nothing[0], nothing[2])
                assert answer[1] == (nothing[1] if method == "GET" else b"")


def test_a_listing_leaves_out_what_leads_out(server: ServerProcess) -> None:
    with RawClient(server.connect()) as client:
        listed = client.request("/inner/", "GET", "Accept: text/plain").body
        assert listed == b""


def test_what_cannot_be_served_tells_no_path_of_the_machine(client: RawClient) -> None:
    for target in ("/up-file", "/inner/proc-fd-0", "/" + "x" * 300, "/%zz", "/index.html/"):
        response = client.request(target)
        assert not re.search(rb"/tmp|/root|/home|Errno|Traceback|\.py", response.body)


def test_a_descriptor_that_is_used_again_is_another_file(tmp_path: Path) -> None:
    """Each file is evicted for the next, so that numbers of descriptors come back all the time."""
    count = 40
    for number in range(count):
        (tmp_path / f"{number}.bin").write_bytes(b"%03d" % number * 30_000)
    args = ["--cache-files", "2", str(tmp_path)]
    with ServerProcess(args) as server, RawClient(server.connect()) as one, RawClient(server.connect()) as two:
        for number in range(2 * count):
            first, second = number % count, (7 * number + 3) % count
            one.send(f"/{first}.bin")
            two.send(f"/{second}.bin")
            os.utime(tmp_path / f"{first}.bin")
            assert two.receive().body == b"%03d" % second * 30_000
            assert one.receive().body == b"%03d" % first * 30_000
