"""The table of options: everything that a user may set, in one place.

The command line, the FASTFILE_ variables, the keys of a configuration file, ``--help`` and docs/options.md are made
from it. A new option is a row here and an attribute of ``config.Config``. Where a limit's number is argued, ``reason``
says why it is there and ``peers`` what other servers have.
"""

from __future__ import annotations

from fastfile.config.cache_values import CACHE_RULE, IMMUTABLE
from fastfile.config.header_values import FIELD, MIME, ORIGIN, POLICY, REFERRER_POLICY
from fastfile.config.option import Option
from fastfile.config.passwords import USER
from fastfile.config.values import (
    BIND,
    CLIENT_LIMIT,
    FILE_NAME,
    HOST,
    METRICS,
    MIB,
    MODE,
    MOUNT,
    NAME,
    PAGE,
    PATH,
    SWITCH,
    TARGET,
    WORKERS,
    choice,
    number,
    seconds,
    size,
)

DEFAULT_FOLDERS = ("./dist", "./build", "./public", "./out", "./_site")

FILES = "What is served"
BUILDS = "Front-end builds"
FIELDS = "Response fields"
ACCESS = "Who may come in"
LISTEN = "Where to listen"
PROCESSES = "Processes"
LOG = "Access log"
LIMITS = "Limits"

OPTIONS: tuple[Option, ...] = (
    Option(
        *(FILES, "directory", PATH, None, "DIR"),
        "Folder to serve, or one file; without it the first of dist, build, public, out and _site that is there, else "
        "the current folder. A number that names neither is the port.",
        short="-d",
    ),
    Option(
        *(FILES, "index", FILE_NAME, ("index.html",), "NAME"),
        "File that answers for its folder; give it again for a second choice.",
        repeatable=True,
    ),
    Option(*(FILES, "listing", SWITCH, True, ""), "List a folder that has no index file."),
    Option(*(FILES, "archive", SWITCH, True, ""), "Let a folder that is listed be had as one zip, by ?archive=zip."),
    Option(*(FILES, "dotfiles", SWITCH, False, ""), "Serve names that begin with a dot."),
    Option(*(FILES, "follow_symlinks", SWITCH, False, ""), "Follow symbolic links that lead outside the folder."),
    Option(*(FILES, "base", TARGET, None, "TARGET"), "Path, such as /app, that the folder is served at."),
    Option(
        *(FILES, "mount", MOUNT, (), "/PATH=DIR"),
        "Serve a further folder at a path; the longest path that fits answers; give it again for more.",
        repeatable=True,
    ),
    Option(
        *(FILES, "rules", choice("auto", "off"), "auto", "WHEN"),
        "Whether the files _redirects, _headers and serve.json in the folder, or those of the host of --as, are rules, "
        "which are obeyed and not served.",
    ),
    Option(
        *(FILES, "compress", SWITCH, False, ""),
        "Send text compressed: made in the background after the first request for it, and kept in the cache.",
    ),
    Option(
        *(FILES, "health", TARGET, None, "TARGET"),
        "Path, such as /healthz, that answers probes by ok, and by 503 once the server is told to stop.",
    ),
    Option(
        *(FILES, "mime", MIME, (), "EXT=TYPE"),
        "Media type for an extension, before our own table, such as glsl=text/plain; give it again for more.",
        repeatable=True,
    ),
    Option(
        *(BUILDS, "as_", choice("netlify", "cloudflare", "github-pages", "vercel"), None, "HOST"),
        "Answer as this host would: netlify, cloudflare, github-pages or vercel; options that are given go before it.",
    ),
    Option(
        *(BUILDS, "spa", PAGE, None, "FILE"),
        "Answer navigations to where no file is by the app's page, index.html unless =FILE is given; a missing script "
        "stays 404.",
        bare="index.html",
    ),
    Option(
        *(BUILDS, "clean_urls", SWITCH, False, ""),
        "Serve about.html at /about, and redirect /about.html and /about/index.html there.",
    ),
    Option(
        *(BUILDS, "trailing_slash", choice("auto", "always", "never", "keep"), "auto", "WHEN"),
        "Slash at the end of a page's address: auto (folders have it, files have not), always, never, or keep what was "
        "asked for.",
    ),
    Option(
        *(BUILDS, "immutable", IMMUTABLE, "auto", "WHICH"),
        "Files that browsers keep for a year without asking again: auto, those whose names carry a hash of their "
        "content; off, none; or a regular expression for their paths. Never pages.",
    ),
    Option(
        *(BUILDS, "cache_control", CACHE_RULE, (), "GLOB=VALUE"),
        "Cache-Control of the files whose paths match, such as '/assets/**=public, max-age=60'; of several the last "
        "one holds.",
        repeatable=True,
    ),
    Option(*(FIELDS, "server_header", SWITCH, True, ""), "Send the Server field."),
    Option(
        *(FIELDS, "header", FIELD, (), "'NAME: VALUE'"),
        "Field of every response, such as 'Permissions-Policy: camera=()', in place of ours of that name; give it "
        "again for more.",
        repeatable=True,
    ),
    Option(
        *(FIELDS, "cors", ORIGIN, (), "ORIGIN"),
        "Let pages of any origin read what is served, or by --cors=https://app.example those of one; give it again "
        "for more.",
        repeatable=True,
        bare="*",
    ),
    Option(
        *(FIELDS, "coi", SWITCH, False, ""),
        "Isolate pages (COOP, COEP and CORP), so that they may use SharedArrayBuffer and threads of WebAssembly.",
    ),
    Option(*(FIELDS, "csp", POLICY, None, "POLICY"), "Content-Security-Policy of what is served."),
    Option(*(FIELDS, "referrer_policy", REFERRER_POLICY, None, "POLICY"), "Referrer-Policy, such as no-referrer."),
    Option(
        *(ACCESS, "auth", USER, (), "USER:HASH"),
        "User who may come in, with the hash that fastfile hash-password prints; give it again for more.",
        repeatable=True,
        secret=True,
    ),
    Option(
        *(ACCESS, "auth_file", PATH, None, "PATH"),
        "File of USER:HASH lines (htpasswd, with scrypt or bcrypt), outside the folder; SIGHUP reads it again.",
    ),
    Option(
        *(LISTEN, "bind", BIND, "127.0.0.1", "ADDR"),
        "Address to listen on: IPv4, IPv6, a host name, or unix:PATH.",
        short="-b",
    ),
    Option(*(LISTEN, "port", number(0, 65535), 8000, "N"), "Port to listen on; 0 picks a free one.", short="-p"),
    Option(*(LISTEN, "host", SWITCH, False, ""), "Listen on all interfaces, so that the local network sees it."),
    Option(*(LISTEN, "open", SWITCH, False, ""), "Open the browser at the page, once it is served."),
    Option(*(LISTEN, "strict_port", SWITCH, False, ""), "Fail when the port is in use, instead of taking the next."),
    Option(
        *(LISTEN, "socket_mode", MODE, None, "MODE"),
        "Permissions of a Unix socket, such as 0660; without it what the umask leaves.",
    ),
    Option(
        *(LISTEN, "metrics", METRICS, None, "ADDR"),
        "Address, such as 127.0.0.1:9100, where /metrics has counts for Prometheus; HOST:PORT or unix:PATH.",
    ),
    Option(
        *(LISTEN, "allowed_host", HOST, (), "NAME"),
        "Further name that requests may come for, or * for any; give it again for more.",
        repeatable=True,
        reason="a page of a stranger must not read a local server by pointing its own name at 127.0.0.1 (DNS "
        "rebinding)",
        peers="vite 403",
    ),
    Option(*(PROCESSES, "workers", WORKERS, 1, "N"), "Worker processes, or auto: one for each usable CPU.", short="-w"),
    Option(*(PROCESSES, "loop", choice("auto", "uvloop", "asyncio"), "auto", "NAME"), "Event loop: uvloop or asyncio."),
    Option(
        *(PROCESSES, "grace", seconds(0, 3600), 8.0, "TIME"),
        "Time that requests in flight get when the server stops.",
        reason="docker stop kills after 10 s",
        peers="gunicorn 30 s; Caddy no end; nginx none",
    ),
    Option(
        *(PROCESSES, "drain_timeout", seconds(1, 604800), 3600.0, "TIME"),
        "Time that transfers get when workers are replaced: by a reload, or because the folder is another one.",
        reason="a reload must not cut a download; a client that never ends must not keep old workers for ever",
        peers="nginx worker_shutdown_timeout and HAProxy hard-stop-after: none",
    ),
    Option(
        *(PROCESSES, "heartbeat_timeout", seconds(0, 86400), 30.0, "TIME"),
        "Time without a sign of life after which a worker is killed and replaced; 0 never. Not under a debugger.",
        reason="a worker says each second that it lives; the slowest of disks answers within 30 s",
        peers="gunicorn 30 s; nginx, h2o and Caddy none",
    ),
    Option(
        *(PROCESSES, "user", NAME, None, "NAME"),
        "User to become once the port is bound, by name or number; for servers that root starts.",
    ),
    Option(*(PROCESSES, "group", NAME, None, "NAME"), "Group to become; without it the user's own."),
    Option(
        *(PROCESSES, "sandbox", choice("auto", "off", "require"), "auto", "MODE"),
        "Let workers read nothing but what is served (Landlock): auto where the kernel can, off, or require.",
    ),
    Option(
        *(LOG, "log_format", choice("auto", "pretty", "common", "combined", "json", "none"), "auto", "FORMAT"),
        "pretty, common, combined, json or none; auto is pretty on a terminal, none otherwise.",
    ),
    Option(*(LOG, "log_file", PATH, None, "PATH"), "File to append the log to, instead of standard output."),
    Option(
        *(LOG, "quiet", SWITCH, False, ""),
        "Print no banner, and no log unless --log-format or --log-file asks for one.",
    ),
    Option(
        *(LIMITS, "limit_request_line", size(16, MIB), 8192, "SIZE"),
        "Longest request line; longer is 414.",
        reason="memory, and the size of a log line",
        peers="httpd 8190; nginx 8 KiB; aiohttp 8190; gunicorn 4094",
    ),
    Option(
        *(LIMITS, "limit_field_line", size(16, MIB), 8192, "SIZE"),
        "Longest field line; longer is 431.",
        reason="memory",
        peers="httpd 8190; aiohttp 8190; lighttpd 8 KiB for all",
    ),
    Option(
        *(LIMITS, "limit_head", size(16, MIB), 32768, "SIZE"),
        "Largest request head, and largest trailer section; larger is 431.",
        reason="counted over all segments: many small lines must not add up",
        peers="nginx 4 x 8 KiB; node 16 KiB; Go 1 MiB; Envoy 60 KiB",
    ),
    Option(
        *(LIMITS, "limit_fields", number(1, 10000), 100, "N"),
        "Most field lines in a head; more is 431.",
        reason="CPU time, and floods of colliding names",
        peers="httpd 100; HAProxy 101; aiohttp 128; nginx 1000",
    ),
    Option(
        *(LIMITS, "limit_empty_lines", number(0, 1000), 8, "N"),
        "Most empty lines before a request; more is 400.",
        reason="RFC 9112 section 2.2 asks for some; a flood of them is work for nothing",
        peers="nginx no limit",
    ),
    Option(
        *(LIMITS, "limit_body", size(0, 1024 * MIB), 262144, "SIZE"),
        "Request content that is read and dropped; more is 413 and the connection closes.",
        reason="keeps the connection usable without free work for the client",
        peers="Go 256 KiB; nginx 1 MiB",
    ),
    Option(
        *(LIMITS, "limit_chunk_line", size(3, MIB), 256, "SIZE"),
        "Longest chunk-size line; longer is 400.",
        reason="chunk extensions are bytes that no content limit counts (CVE-2023-39326)",
        peers="Go 16 KiB over all chunks",
    ),
    Option(
        *(LIMITS, "limit_ranges", number(1, 1000), 16, "N"),
        "Most parts of a multipart answer; more is the whole file.",
        reason="a short request must not ask for a large answer many times over (CVE-2011-3192)",
        peers="httpd 200; nginx no limit; Go none larger than the file",
    ),
    Option(
        *(LIMITS, "limit_archive", size(0, 1024 * 1024 * MIB), 16 * 1024 * MIB, "SIZE"),
        "Most content of a folder that is sent as a zip; more is 403, and so are more than 50,000 entries.",
        reason="its bytes pass through memory, for their checksums: half a minute of a core",
    ),
    Option(
        *(LIMITS, "max_connections", number(1, 1000000), 4096, "N"),
        "Most connections of one worker; above it no more are accepted. From 90 % on the longest idle ones are closed.",
        reason="a transfer takes two descriptors, so the soft limit of descriptors bounds it too",
        peers="nginx 512; h2o 1024; lighttpd half the descriptors",
    ),
    Option(
        *(LIMITS, "max_per_client", CLIENT_LIMIT, 0, "N"),
        "Most connections of one client address (of a /64 in IPv6) in one worker; more are closed at once. auto is "
        "1024, but has no limit for this machine's own addresses.",
        reason="one client must not take all of a worker's; a proxy on this machine is all clients in one address",
        peers="nginx, Caddy and h2o no limit; httpd by modules, mod_qos 50",
    ),
    Option(
        *(LIMITS, "head_timeout", seconds(0.1, 86400), 10.0, "TIME"),
        "Time for a request head to arrive whole.",
        reason="clients that send a byte at a time (slowloris)",
        peers="h2o 10 s; httpd 20 to 40 s; nginx, node and Caddy 60 s",
    ),
    Option(
        *(LIMITS, "body_timeout", seconds(0.1, 86400), 10.0, "TIME"),
        "Time for request content to arrive whole.",
        reason="the same for content that is dropped anyway; not extended by what arrives, so no least rate is needed",
        peers="httpd 20 s; aiohttp 10 s; nginx 60 s for each read",
    ),
    Option(
        *(LIMITS, "idle_timeout", seconds(0.1, 86400), 75.0, "TIME"),
        "Time that an idle connection is kept.",
        reason="above the 60 s of common load balancers, which reuse what they hold open",
        peers="nginx 75 s; Caddy 5 min; httpd and uvicorn 5 s",
    ),
    Option(
        *(LIMITS, "write_timeout", seconds(0.1, 86400), 30.0, "TIME"),
        "Time without progress after which a response is given up.",
        reason="clients that stop reading hold a descriptor and memory",
        peers="nginx and Caddy 60 s; lighttpd 360 s",
    ),
    Option(
        *(LIMITS, "write_rate", size(0, 1024 * MIB), 240, "SIZE"),
        "Bytes per second that a reader has to take, over each --write-timeout; 0 takes any progress.",
        reason="a byte now and then is progress, and holds a descriptor for days (slow read)",
        peers="Kestrel 240 B/s; httpd, nginx and Caddy none",
    ),
    Option(
        *(LIMITS, "backlog", number(1, 65535), 2048, "N"),
        "Connections that wait to be accepted.",
        reason="bursts; the kernel's own limit bounds it too",
        peers="uvicorn 2048; nginx 511; uvloop 100",
    ),
    Option(
        *(LIMITS, "cache_size", size(0, 1024 * 1024 * MIB), 64 * MIB, "SIZE"),
        "Memory of one worker for file contents.",
        reason="a front-end build fits; a folder of videos must not fill the memory",
    ),
    Option(
        *(LIMITS, "cache_files", number(0, 1000000), 1024, "N"),
        "Files that one worker holds open.",
        reason="descriptors are the scarcer of the two",
        peers="nginx open_file_cache off",
    ),
    Option(
        *(LIMITS, "small_file", size(0, 64 * MIB), 65536, "SIZE"),
        "Largest file that is sent from memory; larger goes by sendfile.",
        reason="measured: a copy of up to 64 KiB costs no more than sendfile",
    ),
)

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
BY_KEY: dict[str, Option] = {option.key: option for option in OPTIONS}
