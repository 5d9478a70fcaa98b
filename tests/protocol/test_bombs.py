"""Short requests for much work: the cost of a head is measured, whatever its content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import ServerProcess
from support.usage import cpu_s, pss_bytes

from fastfile import WHY_PURE

ROUNDS = 3  # the cheapest one counts: on a busy machine a request takes more processor time
REQUESTS = 20
# A plain request takes 0.01 ms compiled and 0.1 ms in Python; these requests took 10 to 30 ms without limits.
MOST_S = 0.012 if WHY_PURE else 0.005
LINE = 8000  # below the limit of a field line; four such lines are below that of a head


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("bombs")
    (root / "app.js").write_bytes(b"x" * 100_000)
    for suffix in ("br", "gz"):
        (root / f"app.js.{suffix}").write_bytes(b"y" * 1000)
    for number in range(20):
        os.symlink(f"link{number + 1}", root / f"link{number}")
    (root / "link20").mkdir()
    with ServerProcess([str(root)]) as running:
        yield running


def lines(name: str, element: str, count: int = 4) -> list[str]:
    value = (element * (LINE // len(element)))[: LINE // len(element) * len(element)]
    return [f"{name}: {value}"] * count


BOMBS = [
    pytest.param("/app.js", lines("If-None-Match", '"",'), 200, id="many entity-tags"),
    pytest.param("/app.js", lines("If-None-Match", 'W/"a" , '), 200, id="many weak entity-tags"),
    pytest.param("/app.js", lines("If-None-Match", ","), 200, id="a list of nothing"),
    pytest.param("/app.js", lines("If-Match", '"",'), 412, id="many entity-tags to match"),
    pytest.param("/app.js", lines("Accept-Encoding", "a,"), 200, id="many codings"),
    pytest.param("/app.js", lines("Accept-Encoding", '";",'), 200, id="quoted strings for codings"),
    pytest.param("/app.js", lines("Accept-Encoding", "gzip;q=0.5,"), 200, id="one coding many times"),
    pytest.param("/no", lines("Accept", "a/b,"), 404, id="many media types"),
    pytest.param("/no", lines("Accept", 'a/b;c="d",'), 404, id="many media types with parameters"),
    pytest.param("/app.js", ["Range: bytes=" + "0-0," * 1990], 200, id="2000 ranges"),
    pytest.param("/app.js", ["Range: bytes=" + ",".join(f"{n}-{n}" for n in range(0, 440, 2))], 206, id="ranges apart"),
    pytest.param("/app.js", ["Range: bytes=" + "0-,1-,2-,3-," * 80 + "5-"], 200, id="the whole file many times"),
    pytest.param("/app.js", ["Range: bytes=" + "9" * 7900 + "-"], 416, id="a number of 7900 digits"),
    pytest.param("/app.js", [f"X-{n}: {'y' * 300}" for n in range(98)], 200, id="100 fields"),
    pytest.param("/app.js", lines("Connection", "a,"), 200, id="many connection options"),
    pytest.param("/app.js", ["If-Modified-Since: " + "9" * 7900], 200, id="a date of 7900 digits"),
    pytest.param("/" + "%61" * 2600, [], 404, id="a target that is all escapes"),
    pytest.param("/" + "a/../" * 1590, [], 200, id="a target that climbs and descends"),
    pytest.param("/" + "a/" * 2000, [], 404, id="a path of 2000 folders"),
    pytest.param("/" + "link0/../" * 100 + "link0/x", [], 404, id="links upon links"),
]


@pytest.mark.parametrize(("target", "fields", "status"), BOMBS)
def test_a_head_costs_no_more_than_its_share(
    server: ServerProcess, target: str, fields: list[str], status: int
) -> None:
    (worker,) = server.worker_pids()
    with RawClient(server.connect()) as client:
        spent_s = []
        for start in range(0, ROUNDS * REQUESTS, REQUESTS):
            before_s = cpu_s(worker)
            for number in range(start, start + REQUESTS):
                # All different, so that no response is cached.
                own = [f"{line}{number}" if line.startswith("Accept") else line for line in fields]
                assert client.request(f"{target}?{number}", "GET", *own).status == status
            spent_s.append(cpu_s(worker) - before_s)
    assert min(spent_s) / REQUESTS < MOST_S


def test_what_is_remembered_of_absent_files_stays_within_the_cache(tmp_path: Path) -> None:
    folders = "/" + "/".join(["x" * 250] * 15)
    with ServerProcess(["--cache-size", "4M", str(tmp_path)]) as server, RawClient(server.connect()) as client:
        (worker,) = server.worker_pids()
        assert client.request(folders).status == 404
        before = pss_bytes(worker)
        for number in range(2500):
            assert client.request(f"{folders}/{number}").status == 404
        assert pss_bytes(worker) - before < 6 << 20


def test_what_is_remembered_of_choices_stays_small(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.js").write_text("x")
        (tmp_path / f"{number}.js.gz").write_text("y")
        for name in (f"{number}.js", f"{number}.js.gz"):
            os.utime(tmp_path / name, (1e9, 1e9))
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
        (worker,) = server.worker_pids()
        client.request("/0.js")
        before = pss_bytes(worker)
        for choice in range(100):
            for number in range(20):
                response = client.request(f"/{number}.js", "GET", f"Accept-Encoding: gzip, {'x' * 7000}{choice}")
                assert response.status == 200
        assert pss_bytes(worker) - before < 4 << 20
