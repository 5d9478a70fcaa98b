"""Options: limits, each with the reason for its default and what other servers have."""

from __future__ import annotations

from typing import ClassVar

from fastfile.config.option import OptionGroup, option
from fastfile.config.values import CLIENT_LIMIT, MIB, number, seconds, size


class LimitOptions(OptionGroup):
    """The most that a client or the cache may use."""

    TITLE: ClassVar = "Limits"

    limit_request_line: int = option(
        size(16, MIB),
        default=8192,
        metavar="SIZE",
        help="Longest request line; a longer one gets 414.",
        reason="memory, and the size of a log line",
        peers="httpd 8190; nginx 8 KiB; aiohttp 8190; gunicorn 4094",
    )
    limit_field_line: int = option(
        size(16, MIB),
        default=16384,
        metavar="SIZE",
        help="Longest request header line; a longer one gets 431.",
        reason="cookies of 12 KiB, and updaters that ask for 500 ranges in 10 KiB",
        peers="node 16 KiB for all; nginx, httpd and aiohttp 8 KiB",
    )
    limit_head: int = option(
        size(16, MIB),
        default=32768,
        metavar="SIZE",
        help="Largest request head, and largest trailer section; a larger one gets 431.",
        reason="two of the longest lines; 4096 slow clients hold 128 MiB at most",
        peers="nginx 4 x 8 KiB; node 16 KiB; Go 1 MiB; Envoy 60 KiB",
    )
    limit_fields: int = option(
        number(1, 10000),
        default=100,
        metavar="N",
        help="Maximum number of header lines in a request; more get 431.",
        reason="CPU time, and floods of colliding names",
        peers="httpd 100; HAProxy 101; aiohttp 128; nginx 1000",
    )
    limit_empty_lines: int = option(
        number(0, 1000),
        default=8,
        metavar="N",
        help="Maximum number of empty lines before a request; more get 400.",
        reason="RFC 9112 section 2.2 asks servers to accept some; a flood of them is wasted work",
        peers="nginx no limit",
    )
    limit_body: int = option(
        size(0, 1024 * MIB),
        default=262144,
        metavar="SIZE",
        help="Largest request body that is read and dropped; a larger one gets 413, and the connection closes.",
        reason="keeps the connection usable without free work for the client",
        peers="Go 256 KiB; nginx 1 MiB",
    )
    limit_chunk_line: int = option(
        size(3, MIB),
        default=256,
        metavar="SIZE",
        help="Longest chunk-size line; a longer one gets 400.",
        reason="chunk extensions are bytes that no content limit counts (CVE-2023-39326)",
        peers="Go 16 KiB over all chunks",
    )
    limit_ranges: int = option(
        number(1, 10000),
        default=1000,
        metavar="N",
        help="Maximum number of parts in a multipart response; a request for more gets the whole file.",
        reason="electron-updater asks for 500; no response is 8 KiB longer than the file (CVE-2011-3192)",
        peers="httpd 200; nginx no limit; Go none larger than the file",
    )
    limit_archive: int = option(
        size(0, 1024 * 1024 * MIB),
        default=16 * 1024 * MIB,
        metavar="SIZE",
        help="Largest content of a zip download. A larger one gets 403, and so do more than 50,000 entries.",
        reason="the checksum of each byte is computed: half a minute of CPU time at this limit",
    )
    max_connections: int = option(
        number(1, 1000000),
        default=4096,
        metavar="N",
        help="Maximum number of connections of one worker, which then accepts no more. Above 90 % it closes those that "
        "have been idle longest.",
        reason="a transfer takes two descriptors, so the soft limit of descriptors bounds it too",
        peers="nginx 512; h2o 1024; lighttpd half the descriptors",
    )
    max_per_client: int = option(
        CLIENT_LIMIT,
        default=0,
        metavar="N",
        help="Maximum number of connections from one client address (in IPv6, from a /64) to one worker, which closes "
        "further ones at once. auto is 1024, and no limit for this machine's own addresses.",
        reason="one client must not take all connections of a worker; all clients of a proxy on this machine have one "
        "address",
        peers="nginx, Caddy and h2o no limit; httpd by modules, mod_qos 50",
    )
    http2_streams: int = option(
        number(1, 10000),
        default=128,
        metavar="N",
        help="Maximum number of concurrent requests on an HTTP/2 connection; more are refused.",
        reason="a page requests dozens at once; each waiting request holds a file and some memory",
        peers="nginx 128; h2o, httpd and Envoy 100; Go and Caddy 250",
    )
    head_timeout: float = option(
        seconds(0.1, 86400),
        default=10.0,
        metavar="TIME",
        help="Time for a whole request head to arrive.",
        reason="clients that send a byte at a time (slowloris)",
        peers="h2o 10 s; httpd 20 to 40 s; nginx, node and Caddy 60 s",
    )
    body_timeout: float = option(
        seconds(0.1, 86400),
        default=10.0,
        metavar="TIME",
        help="Time for a whole request body to arrive.",
        reason="slow clients, as above; bytes that arrive do not extend it, so no minimum rate is needed",
        peers="httpd 20 s; aiohttp 10 s; nginx 60 s for each read",
    )
    idle_timeout: float = option(
        seconds(0.1, 86400),
        default=75.0,
        metavar="TIME",
        help="Time after which an idle connection is closed.",
        reason="above the 60 s of common load balancers, which reuse what they hold open",
        peers="nginx 75 s; Caddy 5 min; httpd and uvicorn 5 s",
    )
    write_timeout: float = option(
        seconds(0.1, 86400),
        default=60.0,
        metavar="TIME",
        help="Time without progress after which the server gives up sending a response.",
        reason="clients that stop reading hold a descriptor and memory",
        peers="nginx and Caddy 60 s; lighttpd 360 s",
    )
    write_rate: int = option(
        size(0, 1024 * MIB),
        default=240,
        metavar="SIZE",
        help="Bytes per second that a client must read, over each --write-timeout; 0 accepts any progress.",
        reason="a client that reads a byte now and then makes progress, and holds a descriptor for days (slow read)",
        peers="Kestrel 240 B/s; httpd, nginx and Caddy none",
    )
    disk_timeout: float = option(
        seconds(0.1, 86400),
        default=15.0,
        metavar="TIME",
        help="Time for one lookup or read on a network disk (--remote-disk); after it, the client gets 503, or its "
        "response is cut off.",
        reason="a disk that sleeps needs 10 s to spin up; one that hangs may never come back",
        peers="nginx, Caddy and httpd wait as long as the disk does",
    )
    backlog: int = option(
        number(1, 65535),
        default=2048,
        metavar="N",
        help="Maximum number of connections that wait to be accepted.",
        reason="bursts; the kernel's own limit bounds it too",
        peers="uvicorn 2048; nginx 511; uvloop 100",
    )
    cache_size: int = option(
        size(0, 1024 * 1024 * MIB),
        default=64 * MIB,
        metavar="SIZE",
        help="Memory of one worker for the contents of files.",
        reason="a front-end build fits; a folder of videos must not fill the memory",
    )
    cache_files: int = option(
        number(0, 1000000),
        default=1024,
        metavar="N",
        help="Maximum number of files that one worker keeps open.",
        reason="a process has few descriptors, compared with its memory",
        peers="nginx open_file_cache off",
    )
    small_file: int = option(
        size(0, 64 * MIB),
        default=65536,
        metavar="SIZE",
        help="Largest file that is sent from memory; larger ones are sent by sendfile.",
        reason="measured: a copy of up to 64 KiB costs no more than sendfile",
    )
