"""The extension modules: one list for the build (setup.py) and the package, and whether they can be used.

Their layouts depend on each other, so either all are used or none. Imports nothing of fastfile.
"""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES

# The kernels are .pyx with a Python twin; the others are the hot path's Python sources, compiled with their .pxd.
KERNELS = ("_parser", "_sendfile", "server.net.tls.openssl")
COMPILED_SOURCES = (
    "message",
    "clock",
    "storage.freshness",
    "storage.resource",
    "storage.cache",
    "http.content.content_hash",
    "site.representation",
    "responder",
    "protocol.http1",
    "protocol.http2.huffman",
    "protocol.http2.hpack",
    "protocol.http2.heads",
    "protocol.http2.budget",
    "protocol.http2.stream",
    "protocol.http2.frames",
    "protocol.http2.blocks",
    "protocol.http2.sender",
    "protocol.http2.control",
    "protocol.http2.session",
    "http.ranges",
    "site.error_pages",
    "site.entry",
    "site.plain_files",
    "site.handler",
    "server.metrics.counters",
    "server.net.service",
    "server.net.poller",
    "server.net.transport",
    "server.net.tls.channel",
    "server.net.tls.transport",
    "server.net.http1.reader",
    "server.net.http1.send_queue",
    "server.net.journal",
    "server.net.http1.deferral",
    "server.net.connection",
    "server.net.http1.output",
    "server.net.http1.refusals",
    "server.net.http1.handover",
    "server.log.lines",
    "server.log.format",
    "server.log.access",
    "server.net.http1.connection",
    "server.net.http1.upload",
    "server.net.http2.shared",
    "server.net.http2.transfer",
    "server.net.http2.output",
    "server.net.http2.deferral",
    "server.net.http2.connection",
    "server.net.clients",
    "server.net.listener",
    "embedding.heads",
    "embedding.targets",
)
# Cython's own functions, once for all COMPILED_SOURCES. It has no source: Cython writes it.
SHARED = "_cyutility"
MODULES = (*KERNELS, SHARED, *COMPILED_SOURCES)
FOLDERS = sorted({"/".join(name.split(".")[:-1]) for name in KERNELS + COMPILED_SOURCES})


def reason_against(package: str) -> str:
    """Return why the extensions in a package's folder cannot be used; an empty string if they can.

    In a checkout an extension hides the source that it was compiled from, so an extension that is older than its
    source, or than a declaration of a layout, is stale. An installed package has no such order of times.
    """
    is_checkout = os.path.exists(os.path.join(os.path.dirname(package), "setup.py"))
    declared_ns, declaration = 0, ""
    if is_checkout:
        paths = [_path(package, name) for name in MODULES]
        declared_ns, declaration = max((_mtime_ns(path + end), path + end) for path in paths for end in (".pxd", ".h"))
    for name in MODULES:
        path = _path(package, name)
        built_ns = _mtime_ns(path + EXTENSION_SUFFIXES[0])
        if not built_ns:
            return "no extension is built" if name == KERNELS[0] else f"the extension fastfile.{name} is missing"
        if is_checkout and name != SHARED:
            source = path + (".pyx" if name in KERNELS else ".py")
            source_ns, source = max((_mtime_ns(source), source), (declared_ns, declaration))
            if source_ns > built_ns:
                return f"{os.path.relpath(source, package)} is newer than its extension"
    return ""


def _path(package: str, name: str) -> str:
    return os.path.join(package, *name.split("."))


def _mtime_ns(path: str) -> int:
    """Return when a file was last modified; 0 if there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
