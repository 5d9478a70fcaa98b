"""The scenarios and their targets: the request, the right response, and the allowed cost of fastfile.

A target's limit is computed from the results of the same run by `Results`: a call with (scenario, contender) gives the
median of the scenario's figure, usually CPU microseconds per request, or None if it was not measured.
"""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.corpus import KIB, MIB

Results = Callable[[str, str], float | None]

# Those that serve HTTPS.
SECURE = ("fastfile", "nginx", "h2o", "caddy")
# The default of `--peers`. Slow servers are measured only at 1 KiB.
FAST = ("floor", "fastfile", "nginx", "lighttpd", "h2o")
PEERS = ("nginx", "lighttpd", "h2o", "caddy", "granian", "aiohttp", "starlette", "http.server", "sirv", "serve")

ETAG = "{etag}"  # in a field: replaced by the server's ETag

BROWSER = (
    "Connection: keep-alive",
    "Cache-Control: max-age=0",
    'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Accept: */*",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Dest: script",
    "Referer: http://127.0.0.1/index.html",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cookie: session=4f6b2c1e9a7d43d08b5e6f1a2c3d4e5f; theme=dark; consent=1",
)


BROWSER_2 = BROWSER[1:]  # HTTP/2 has no Connection


class Target(NamedTuple):
    text: str
    limit: Callable[[Results], float | None]
    contender: str = "fastfile"


class Scenario(NamedTuple):
    """One row of the table. `body` is the length of the right response's body; None: any.

    `downloads`: the number of clients that download a large file meanwhile. The cost of a request is unknown then, so
    the scenario's figure is the time of the slowest of a hundred requests. `streams`: the number of requests at a time
    on each connection of HTTP/2; 0 means HTTP/1.1. h2load sends `rate` requests for each second of a turn.
    """

    name: str
    title: str
    path: str
    body: int | None
    target: Target | None = None
    status: int = 200
    fields: tuple[str, ...] = ()
    connections: int = 64
    script: str = "summary.lua"
    contenders: tuple[str, ...] = FAST
    log: bool = False
    encoded: bool = False
    close: bool = False
    quick: bool = False
    downloads: int = 0
    tls: bool = False
    handshakes: str = ""
    streams: int = 0
    rate: int = 0

    @property
    def figure(self) -> str:
        """The figure of a sample that the scenario measures."""
        return "p99_us" if self.downloads else "cpu_us"


def at_most(times: float, contender: str, scenario: str) -> Callable[[Results], float | None]:
    """Return the limit: `times` the cost of `contender` in `scenario`."""

    def limit(cost: Results) -> float | None:
        reference = cost(scenario, contender)
        return None if reference is None else times * reference

    return limit


def floor(times: float, scenario: str) -> Target:
    return Target(f"≤ {times:.2f} × floor", at_most(times, "floor", scenario))


def best_peer(times: float, scenario: str) -> Target:
    def limit(cost: Results) -> float | None:
        costs = [value for peer in PEERS if (value := cost(scenario, peer)) is not None]
        return times * min(costs) if costs else None

    return Target("< best peer" if times == 1 else f"≤ {times:.2f} × best peer", limit)


def tls_target(times: tuple[float, float | None], scenario: str) -> Target:
    """Return the target against nginx, and against h2o where there is a second factor."""
    of_nginx, of_h2o = times

    def limit(cost: Results) -> float | None:
        nginx, h2o = cost(scenario, "nginx"), cost(scenario, "h2o")
        limits = [of_nginx * nginx] if nginx is not None else []
        limits += [of_h2o * h2o] if h2o is not None and of_h2o is not None else []
        return min(limits, default=None)

    text = f"≤ {of_nginx:.2f} × nginx" + (f" and {of_h2o:.2f} × h2o" if of_h2o else "")
    return Target(text, limit)


def logging_cost(cost: Results) -> float | None:
    without = cost("1k", "fastfile")
    return None if without is None else without + 0.7


def pure_cost(cost: Results) -> float | None:
    aiohttp = cost("pure", "aiohttp")
    return 40.0 if aiohttp is None else min(40.0, aiohttp / 4)


SCENARIOS = (
    Scenario(
        "1k",
        "1 KiB, keep-alive",
        "/1k.js",
        KIB,
        floor(1.1, "1k"),
        quick=True,
        contenders=("floor", "fastfile", *PEERS),
    ),
    Scenario("browser", "1 KiB, a browser's head", "/1k.js", KIB, floor(1.12, "browser"), fields=BROWSER, quick=True),
    Scenario("10k", "10 KiB", "/10k.js", 10 * KIB, floor(1.12, "10k")),
    Scenario("100k", "100 KiB", "/100k.js", 100 * KIB, floor(1.1, "100k"), quick=True),
    Scenario("1m", "1 MiB, 16 connections", "/1m.bin", MIB, floor(1.1, "1m"), connections=16),
    Scenario("100m", "100 MiB, 4 connections", "/100m.bin", 100 * MIB, floor(1.05, "100m"), connections=4),
    Scenario(
        "random",
        "1,000 files of 4 KiB at random",
        "/many/0.js",
        4 * KIB,
        floor(1.3, "random"),
        script="random.lua",
        quick=True,
    ),
    Scenario(
        "304",
        "304 by If-None-Match",
        "/1k.js",
        0,
        best_peer(0.9, "304"),
        status=304,
        fields=(f"If-None-Match: {ETAG}",),
        quick=True,
    ),
    Scenario("404", "404", "/missing.js", None, best_peer(1, "404"), status=404),
    Scenario(
        "range",
        "1 KiB range of 100 MiB",
        "/100m.bin",
        KIB,
        floor(1.2, "range"),
        status=206,
        fields=(f"Range: bytes={50 * MIB}-{50 * MIB + KIB - 1}",),
    ),
    Scenario(
        "ranges",
        "1,000 such ranges at random",
        "/100m.bin",
        KIB,
        floor(1.2, "ranges"),
        status=206,
        fields=(f"Range: bytes=0-{KIB - 1}",),
        script="ranges.lua",
    ),
    Scenario(
        "encoded",
        "encoded variant, a browser's head",
        "/app.js",
        KIB,
        Target("≤ 1.05 × browser's head", at_most(1.05, "fastfile", "browser")),
        fields=BROWSER,
        encoded=True,
    ),
    Scenario(
        "close",
        "a connection per request",
        "/1k.js",
        KIB,
        best_peer(1, "close"),
        fields=("Connection: close",),
        close=True,
        quick=True,
    ),
    Scenario(
        "pipelined",
        "16 pipelined requests per segment",
        "/1k.js",
        KIB,
        Target("≤ 2.5 µs", lambda cost: 2.5),
        script="pipelined.lua",
        quick=True,
    ),
    Scenario("1000", "1,000 connections", "/1k.js", KIB, floor(1.15, "1000"), connections=1000),
    Scenario(
        "log",
        "access log on, combined",
        "/1k.js",
        KIB,
        Target("≤ without + 0.7 µs", logging_cost),
        log=True,
        contenders=("fastfile", "nginx", "lighttpd", "h2o"),
    ),
    Scenario(
        "asyncio",
        "asyncio instead of uvloop",
        "/1k.js",
        KIB,
        Target("≤ 1.25 × uvloop's", at_most(1.25, "fastfile", "asyncio"), "fastfile asyncio"),
        contenders=("fastfile", "fastfile asyncio"),
    ),
    Scenario(
        "pure",
        "pure Python",
        "/1k.js",
        KIB,
        Target("≤ 40 µs and ¼ × aiohttp", pure_cost, "fastfile pure"),
        contenders=("fastfile pure", "fastfile pure asyncio", "aiohttp", "aiohttp asyncio"),
    ),
    Scenario(
        "beside",
        "p99 of 1 KiB beside 8 large downloads",
        "/1k.js",
        KIB,
        Target("≤ nginx's", at_most(1, "nginx", "beside")),
        connections=4,
        contenders=("fastfile", "nginx", "lighttpd", "h2o"),
        downloads=8,
    ),
    *(
        Scenario(f"tls-{name}", title, path, size, tls_target(times, f"tls-{name}"), tls=True, contenders=SECURE, **how)
        for name, title, path, size, times, how in (
            ("1k", "HTTPS: 1 KiB, keep-alive", "/1k.js", KIB, (0.9, 1.1), {}),
            ("100k", "HTTPS: 100 KiB", "/100k.js", 100 * KIB, (0.95, None), {"connections": 16}),
            ("10m", "HTTPS: 10 MiB, 4 connections", "/10m.bin", 10 * MIB, (1.0, None), {"connections": 4}),
            ("full", "HTTPS: a full handshake per request", "/1k.js", KIB, (1.15, None), {"handshakes": "full"}),
            ("resumed", "HTTPS: a resumed session per request", "/1k.js", KIB, (1.15, None), {"handshakes": "resumed"}),
        )
    ),
    *(
        Scenario(
            f"h2-{name}",
            f"HTTP/2{title}",
            path,
            size,
            tls_target((1.0, 1.05), f"h2-{name}"),
            fields=fields,
            connections=32 if streams == 1 else 8,
            contenders=SECURE,
            tls=name != "plain",
            streams=streams,
            rate=rate,
        )
        for name, title, path, size, fields, streams, rate in (
            ("1", ": 1 KiB, 1 stream", "/1k.js", KIB, (), 1, 40_000),
            ("10", ": 1 KiB, 10 streams", "/1k.js", KIB, (), 10, 80_000),
            ("100", ": 1 KiB, 100 streams", "/1k.js", KIB, (), 100, 150_000),
            ("browser", ": 10 streams, a browser's head", "/1k.js", KIB, BROWSER_2, 10, 80_000),
            ("100k", ": 100 KiB, 10 streams", "/100k.js", 100 * KIB, (), 10, 6_000),
            ("plain", " without TLS: 1 KiB, 10 streams", "/1k.js", KIB, (), 10, 80_000),
        )
    ),
)
