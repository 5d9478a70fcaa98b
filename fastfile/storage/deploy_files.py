"""The files of a build that its host reads and never serves: ``_redirects`` and ``_headers``, each whole and with a
stamp that tells when it is another one. What they say is for semantics/ to read.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from fastfile.sendfile import make_signature, read_signature
from fastfile.storage.freshness import Stamp
from fastfile.storage.metadata import is_settled
from fastfile.storage.resource import open_resource
from fastfile.storage.root import Root, make_error
from fastfile.storage.variants import SUFFIXES

MAX_SIZE = 1 << 20  # bytes: ten times what Cloudflare reads; a larger one would hold up the loop


class DeployFile(NamedTuple):
    """``content`` is None where there is no file, or where ``problem`` says why it cannot be read.

    ``stamp`` shows a change from now on, unless the file is not ``settled``: then it has to be read again.
    """

    content: bytes | None
    stamp: Stamp
    settled: bool
    problem: str = ""


def read_deploy_file(root: Root, name: bytes) -> DeployFile:
    """Read a file in the root's top folder."""
    absolute = root.absolute(name)
    try:
        resource = open_resource(root, name, MAX_SIZE)
    except OSError as error:
        signature = read_signature(absolute)
        refused = signature != b"" and not isinstance(error, IsADirectoryError)
        settled = make_error(error).status != 503
        return DeployFile(None, Stamp(absolute, signature), settled, "the file cannot be read" if refused else "")
    problem = "" if resource.content is not None else f"the file is larger than {MAX_SIZE} bytes and is not read"
    settled = is_settled(resource.status, time.time_ns())
    return DeployFile(resource.content, Stamp(absolute, resource.signature), settled, problem)


def make_folder_stamp(root: Root) -> Stamp | None:
    """Return a stamp that shows what comes to the root's top folder, or goes; None where that could be missed."""
    try:
        status = root.stat(b"")
    except OSError:
        return None
    return Stamp(root.absolute(b""), make_signature(status)) if is_settled(status, time.time_ns()) else None


def hidden_names(names: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the names, and those of their encoded variants, by which such files could be asked for."""
    return frozenset(name + suffix for name in names for suffix in (b"", *(suffix for _, suffix in SUFFIXES)))
