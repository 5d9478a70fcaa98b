"""Replicas behind random routing: clients load a page and its script, each from any replica, while releases change.

``python -m support.random_routing FOLDER [LOCATION [PORT]]`` is the long run: four replicas, 20 publishes, 3 rollbacks.
With the PORT of the S3 server, the replicas reach it by a proxy that spoils 30 % of their exchanges.
"""

from __future__ import annotations

import itertools
import random
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

from support.faultyproxy import Fault, FaultyProxy
from support.rawclient import RawClient, Received
from support.serverprocess import TIMEOUT_S, ServerProcess
from support.stores import DAY_S, publish_folder, write_tree

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.rollback import rollback

SCRIPT = re.compile(rb"/assets/app\.(\d+)\.js")
# Faults that a replica notices and repeats: no release is late, and no request is told that a file is missing.
FAULTS: list[Fault] = ["slow down", "truncate", "reset", "flip"]
# Requests wait for a replica's question to the store for as long as it takes: another process may have the processor.
PATIENT = """
import sys
from fastfile.server.following import asking
asking.PATIENCE_S = asking.FETCH_PATIENCE_S = 60.0
from fastfile.__main__ import main
sys.exit(main())
"""
LINES = 400  # of a page and of a script: 6 to 7 kB


def make_site(number: int) -> dict[str, bytes]:
    """Return a build: a page, its script with a name of its own, and files that stay or change under one name."""
    page = b"".join(b"release %d\n" % number for _ in range(LINES)) + b'<script src="/assets/app.%d.js">' % number
    return {
        "index.html": page,
        f"assets/app.{number}.js": b"".join(b"script %d\n" % number for _ in range(LINES)),
        "same.css": b"the same in all releases",
        "changing.css": b"style of %d" % number,
        "_headers": b"/index.html\n  X-Release: %d\n/\n  X-Release: %d\n" % (number, number),
    }


class RandomRouting:
    """Runs replicas, clients and releases; then ``failures`` has what went wrong, ``counts`` what was done."""

    def __init__(
        self,
        folder: Path,
        location: str,
        replicas: int,
        workers: int = 1,
        poll: str = "1s",
        proxy: FaultyProxy | None = None,
        is_patient: bool = True,
    ) -> None:
        self._proxy = proxy
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []  # what replicas said of a store that failed
        self.waits_s: list[float] = []  # of scripts
        self._folder = folder
        self._location = location
        self._store = open_store(parse_location(location))
        self._tags: defaultdict[tuple[str, bytes], set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        self._stack = ExitStack()
        self.publish(0)
        options = ["--workers", str(workers), "--store-poll", poll]
        env = {"AWS_ENDPOINT_URL_S3": proxy.url} if proxy else {}
        program = ("-c", PATIENT) if is_patient else ("-m", "fastfile")
        self._replicas = [
            self._stack.enter_context(
                ServerProcess([*options, "--store-cache", f"{folder}/cache{number}", location], env, None, program)
            )
            for number in range(replicas)
        ]

    def publish(self, number: int) -> None:
        """Publish a release."""
        publish_folder(self._store, write_tree(self._folder / "dist", make_site(number)))
        self.counts["publishes"] += 1

    def roll_back(self) -> None:
        """Move the pointer to the release before the current one."""
        rollback(self._store, None, 30 * DAY_S)
        self.counts["rollbacks"] += 1

    def run(self, publishes: int, rollbacks: int, clients: int, pause_s: float, pages: int = 0) -> None:
        """Release while clients load pages, and stop when they have loaded at least so many."""
        threads = [threading.Thread(target=self._load_pages, args=(seed,)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        try:
            faults = itertools.cycle(FAULTS)
            back = {publishes * (number + 1) // (rollbacks + 1) for number in range(rollbacks)}
            for number in range(1, publishes + 1):
                if self._proxy:
                    self._proxy.spoil(next(faults), 0.3, number)
                time.sleep(pause_s)
                self.publish(number)
                if number in back:
                    time.sleep(pause_s)
                    self.roll_back()
            time.sleep(pause_s)
            deadline_s = time.monotonic() + TIMEOUT_S
            while self.counts["pages"] < pages and not self.failures and time.monotonic() < deadline_s:
                time.sleep(0.05)
        finally:
            self._has_ended.set()
            for thread in threads:
                thread.join()
            self._stack.close()
            for replica in self._replicas:
                self.troubles += [line for line in replica.stderr.splitlines() if "; still serving release " in line]
        for (target, _), tags in self._tags.items():
            if len(tags) > 1:
                self.failures.append(f"{target} has the entity tags {tags}")

    def broken_promises(self) -> list[str]:
        """Return the failures that no trouble explains: while the store fails, a missing script is 503, never 404."""
        return [failure for failure in self.failures if not (self.troubles and failure.endswith(": 503"))]

    def _load_pages(self, seed: int) -> None:
        chance = random.Random(seed)
        clients = [RawClient(replica.connect()) for replica in self._replicas]
        try:
            while not self._has_ended.is_set():
                self._load_page(clients, chance)
        except Exception as error:
            self.failures.append(repr(error))
        finally:
            for client in clients:
                client.connection.close()

    def _load_page(self, clients: list[RawClient], chance: random.Random) -> None:
        page = chance.choice(clients).request("/")
        found = SCRIPT.search(page.body)
        number = found[1] if found else b"none"
        self._check(page, "/", make_site(int(number))["index.html"] if found else b"")
        if page.fields.get("x-release") != number.decode():
            self.failures.append(f"the page of {number!r} has the headers of {page.fields.get('x-release')}")
        for target in (f"/assets/app.{int(number)}.js", "/same.css"):
            began_s = time.monotonic()
            response = chance.choice(clients).request(target)
            with self._lock:
                self.waits_s.append(time.monotonic() - began_s)
            self._check(response, target, make_site(int(number))[target[1:]])
        chance.choice(clients).request("/changing.css")
        with self._lock:
            self.counts["pages"] += 1

    def _check(self, response: Received, target: str, content: bytes) -> None:
        with self._lock:
            if response.status != 200:
                self.failures.append(f"{target}: {response.status}")
            elif response.body != content:
                self.failures.append(f"{target}: {len(response.body)} other bytes")
            else:
                self._tags[target, content].add(response.fields["etag"])


def main(folder: Path, location: str, port: int) -> int:
    """Run it long, and print the result."""
    proxy = FaultyProxy(port) if port else None
    routing = RandomRouting(folder, location, 4, workers=2, poll="5s", proxy=proxy, is_patient=False)
    routing.run(publishes=20, rollbacks=3, clients=6, pause_s=2.0)
    waits = sorted(routing.waits_s)
    longest = f"median {waits[len(waits) // 2] * 1000:.1f} ms, longest {waits[-1] * 1000:.0f} ms"
    print(dict(routing.counts), f"{len(routing.failures)} failures; {longest}")  # noqa: T201
    print(routing.failures[:10], routing.troubles[:10])  # noqa: T201
    if proxy:
        print(f"{len(proxy.requests)} requests to the store, {proxy.spoiled} of them spoiled")  # noqa: T201
        proxy.close()
    return bool(routing.failures)


if __name__ == "__main__":
    base = Path(sys.argv[1])
    place = sys.argv[2] if len(sys.argv) > 2 else f"file://{base}/store"
    sys.exit(main(base, place, int(sys.argv[3]) if len(sys.argv) > 3 else 0))
