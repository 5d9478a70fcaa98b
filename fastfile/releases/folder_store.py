"""A store in a folder, of this machine or of a network file system, for ``file://``.

An object is a file. It is written beside its name, synced and renamed, so that a reader sees a whole object or none. A
lock file makes the conditions of a put hold between processes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import BinaryIO, NoReturn

from fastfile.errors import describe
from fastfile.releases.location import Location
from fastfile.releases.store import (
    MIB,
    SMALL_LIMIT,
    AccessDenied,
    Conflict,
    Corrupt,
    Listed,
    NotModified,
    Source,
    Stored,
    StoreError,
    Unavailable,
)
from fastfile.terminal import printable

_TEMPORARY = ".tmp-"
_LOCK = ".lock"


class FolderStore:
    """The entity tag of an object is the digest of its bytes."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._root = location.root

    def get(
        self, key: str, *, if_none_match: str | None = None, limit: int = SMALL_LIMIT
    ) -> Stored | NotModified | None:
        """Return an object; None if there is none."""
        with self._errors(), suppress(FileNotFoundError), self._open(key) as file:
            body = file.read(limit + 1)
            if len(body) > limit:
                raise Corrupt(f"{self.location}: {key} is larger than {limit} bytes")
            etag = _make_etag(sha256(body).hexdigest())
            return NotModified() if etag == if_none_match else Stored(body, etag)
        return None

    def get_range(self, key: str, start: int, size: int) -> bytes | None:
        """Return at most ``size`` bytes of an object."""
        with self._errors(), suppress(FileNotFoundError), self._open(key) as file:
            file.seek(start)
            return file.read(size)
        return None

    def get_to(self, key: str, file: BinaryIO, limit: int) -> str | None:
        """Copy an object into a file."""
        with self._errors(), suppress(FileNotFoundError), self._open(key) as source:
            if os.fstat(source.fileno()).st_size > limit:
                raise Corrupt(f"{self.location}: {key} is larger than {limit} bytes")
            return _copy(source, file)
        return None

    def put(self, key: str, body: bytes | Source, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write an object."""
        path = self._path(key)
        folder = os.path.dirname(path)
        temporary = f"{folder}/{_TEMPORARY}{secrets.token_hex(8)}"
        with self._errors():
            os.makedirs(folder, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    if isinstance(body, bytes):
                        file.write(body)
                        etag = _make_etag(sha256(body).hexdigest())
                    else:
                        etag = _copy(body, file)
                    file.flush()
                    os.fsync(file.fileno())
                with self._condition(key, if_match, if_absent):
                    os.rename(temporary, path)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)
            _sync_folder(folder)
        return etag

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the files of a folder; objects have no folders below those of their kind."""
        with self._errors(), suppress(FileNotFoundError), os.scandir(self._path(prefix)) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_file(follow_symlinks=False):
                        yield Listed(prefix + entry.name, status.st_size, status.st_mtime)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        with self._errors():
            for key in keys:
                with suppress(FileNotFoundError):
                    os.unlink(self._path(key))

    def _open(self, key: str) -> BinaryIO:
        """Open an object; a FIFO would let the reader wait for ever."""
        file = open(self._path(key), "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise Corrupt(f"{self.location}: {key} is not a file")
        return file

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _condition(self, key: str, if_match: str | None, if_absent: bool) -> Iterator[None]:
        """Hold the lock while a condition holds. Raises Conflict if it does not."""
        if if_match is None and not if_absent:
            yield
            return
        with open(f"{self._root}/{_LOCK}", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases it
            current = self.get(key)
            etag = current.etag if isinstance(current, Stored) else None
            if etag != if_match:
                raise Conflict(f"{self.location}: another process wrote {key}")
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> NoReturn:
        text = f"{self.location}: {printable(describe(error))}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise AccessDenied(f"{text} (as user {os.geteuid()})") from error
        if error.errno in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN):
            raise Unavailable(text) from error
        raise StoreError(text) from error


def _copy(source: BinaryIO | Source, target: BinaryIO) -> str:
    """Copy the rest of a file, and return the entity tag of what was copied."""
    digest = sha256()
    while part := source.read(MIB):
        digest.update(part)
        target.write(part)
    return _make_etag(digest.hexdigest())


def _make_etag(digest: str) -> str:
    return f'"{digest[:32]}"'


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
