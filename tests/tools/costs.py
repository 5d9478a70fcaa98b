"""The most expensive single requests: how long each holds the event loop, at its first time and at the next.

``PYTHONPATH=tests:. python tests/tools/costs.py`` prints a table, the dearest first; ``--most MS`` fails above a bound.
Works of a Deferred and of feeds run in threads and are not counted, the calls that follow them are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from time import process_time
from typing import Any

from fastfile import WHY_PURE
from fastfile.application import MountPoint, add_gates, make_application
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.config.passwords import make_hash
from fastfile.message import PENDING, Deferred, RequestHead, Response
from fastfile.responder import Responder, run_now
from fastfile.storage.root import Root

MANY = 20_000  # entries of a large folder
DEEP = 300  # folders of a deep path
RULES = 1000
ROUNDS = 5


class Loop:
    """Asks as a connection does, and measures what is not in a work."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.held_s = 0.0  # the longest turn
        self._in_works_s = 0.0  # of the turn, in works that were run at once

    def ask(self, handler: Responder, target: bytes, method: bytes = b"GET", **fields: bytes) -> Response:
        """Return the response; ``held_s`` is then the longest time that the loop was held."""
        self.held_s = 0.0
        field_lines = b"".join(b"%b: %b\r\n" % (n.replace("_", "-").encode(), v) for n, v in fields.items())
        known = {n: v for n, v in fields.items() if n in ("range", "accept_encoding", "if_none_match", "if_match")}
        head = RequestHead(method, target, 1, 0, field_lines, authority=b"localhost", **known)
        self.clock.begin_batch()
        response = self.turn(lambda: handler.respond(head))
        while isinstance(response, Deferred):
            job = run_now(response.work)
            finish = response.finish
            response = self.turn(lambda finish=finish, job=job: finish(job))
        if response.source is not None:
            self.drain(response.source)
        return response

    def turn(self, call: Callable[[], Any]) -> Any:
        """Make a call of the event loop."""
        self._in_works_s = 0.0
        began_s = process_time()
        try:
            return call()
        finally:
            self.held_s = max(self.held_s, process_time() - began_s - self._in_works_s)

    def drain(self, source: Any) -> None:
        """Take all parts of a source."""
        while True:
            try:
                part = self.turn(lambda: next(source))
            except StopIteration:
                return
            assert part is not PENDING or self._in_works_s

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        """Run a work as a thread does: its time is not the loop's."""
        job: Future[Any] = Future()
        began_s = process_time()
        try:
            job.set_result(work())
        except Exception as error:
            job.set_exception(error)
        self._in_works_s += process_time() - began_s
        on_done(job)
        return job


def write_site(root: Path) -> None:
    for name in ("index.html", "about.html", "404.html"):
        (root / name).write_text("<p>text")
    (root / "large.bin").write_bytes(os.urandom(4 << 20))
    (root / "many").mkdir()
    for number in range(MANY):
        (root / "many" / f"file-{number:05}.txt").touch()
    (root / ("d/" * DEEP)).mkdir(parents=True)
    (root / "_redirects").write_text(
        "".join(f"/old-{number}/:slug /new/:slug 302\n" for number in range(RULES - 10))
        + "".join(f"/* /elsewhere-{number} 302! Cookie=beta{number}\n" for number in range(10))
    )


def make_rules(kind: str) -> str:
    if kind == "cookies":
        return "".join(f"/* /elsewhere-{number} 302! Cookie=beta{number}\n" for number in range(RULES))
    if kind == "splats":
        return "".join(f"/a-{number}/*/b/:c /to/:splat/:c 302\n" for number in range(RULES))
    return "".join(f"/:a/:b/:c/{number} /to/:a 302\n" for number in range(RULES))


def requests() -> list[tuple[str, bytes, dict[str, bytes]]]:
    ranges = b"bytes=" + b",".join(b"%d-%d" % (at, at + 9) for at in range(0, 1_000_000, 1000))
    overlapping = b"bytes=" + b",".join(b"%d-%d" % (at, 1_000_000 - at) for at in range(900))
    return [
        ("a small page", b"/", {}),
        ("a missing name", b"/nothing", {}),
        ("a missing name in a large folder", b"/many/FILE-00001.TXT", {}),
        ("a missing name 1,990 levels down", b"/" + b"d/" * 1990 + b"x", {}),
        ("a missing name far down existing folders", b"/" + b"d/" * DEEP + b"x", {}),
        ("a path of 1,990 empty and dot segments", b"/" + b"./" * 1990, {}),
        ("a path of 8,000 encoded bytes", b"/" + b"%61" * 2600, {}),
        ("a listing of 20,000 entries", b"/many/", {"accept": b"text/html"}),
        ("the same as JSON", b"/many/?format=json", {}),
        ("the same by HEAD", b"/many/", {"method": b"HEAD"}),
        ("a zip of 20,000 files", b"/many/?archive=zip", {}),
        ("1,000 ranges", b"/large.bin", {"range": ranges}),
        ("900 overlapping ranges", b"/large.bin", {"range": overlapping}),
        ("an Accept of 1,000 bytes", b"/nothing", {"accept": b"a/b;q=0.1," * 100}),
        ("an Accept-Encoding of 1,000 bytes", b"/", {"accept_encoding": b"gzip;q=0.1," * 90}),
        ("If-None-Match of 8,000 bytes", b"/", {"if_none_match": b'"a", ' * 1600}),
        ("a query of 8,000 bytes", b"/old-1/x?" + b"a=b&" * 2000, {}),
    ]


def measure(loop: Loop, handler: Responder, target: bytes, fields: dict[str, bytes]) -> tuple[float, float]:
    """Return how long the first request and the best of the next ones hold the loop, in milliseconds."""
    fields = dict(fields)
    method = fields.pop("method", b"GET")
    loop.ask(handler, target, method, **fields)
    first_s = loop.held_s
    later = []
    for _ in range(ROUNDS):
        loop.ask(handler, target, method, **fields)
        later.append(loop.held_s)
    return first_s * 1000, min(later) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=float, default=float("inf"), metavar="MS")
    most = parser.parse_args().most
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_site(Path(folder))
        for name, config, extra in _settings():
            root = Root(os.fsencode(folder))
            if extra:
                (Path(folder) / "_redirects").write_text(make_rules(extra))
            loop = Loop()
            plain = make_application(config, [MountPoint(b"", root)], loop.clock, _raise, loop.submit, read=loop.submit)
            handler = add_gates(plain, config, loop.clock, _raise)
            for label, target, fields in requests() if not extra else _rule_requests():
                rows.append((*measure(loop, handler, target, fields), f"{label}{name}"))
            root.close()
    rows.sort(key=lambda row: -max(row[:2]))
    kind = "pure" if WHY_PURE else "compiled"
    sys.stdout.write(f"{kind}: milliseconds for which one request holds the event loop, the first and the next\n")
    for first_ms, later_ms, label in rows[:20]:
        sys.stdout.write(f"{first_ms:9.2f} {later_ms:9.2f}  {label}\n")
    return int(max(row[1] for row in rows) > most)


def _settings() -> list[tuple[str, Config, str]]:
    return [
        ("", Config(), ""),
        (", --auth", Config(auth=("ann:" + make_hash(b"password"),)), ""),
        (", 1,000 /* rules with a cookie", Config(), "cookies"),
        (", 1,000 rules with a splat in the middle", Config(), "splats"),
        (", 1,000 rules of placeholders", Config(), "placeholders"),
    ]


def _rule_requests() -> list[tuple[str, bytes, dict[str, bytes]]]:
    return [
        ("a page", b"/about", {}),
        ("a page, with cookies", b"/about", {"cookie": b"; ".join(b"a%d=b" % n for n in range(500))}),
        ("a missing name", b"/x/y/z/nothing", {}),
        ("a path of 1,990 segments", b"/a-5/" + b"x/" * 1990 + b"b/c", {}),
    ]


def _raise(error: BaseException) -> None:
    raise error


if __name__ == "__main__":
    sys.exit(main())
