"""The parts of the zip format (PKWARE's APPNOTE.TXT 6.3.10) that an archive of known length needs.

The content of a file is a sequence of deflate's stored blocks (RFC 1951 §3.2.4). They compress nothing, so the length
is known in advance; and unlike the method "stored", they mark their end, so that a reader of a stream, which gets the
length only after the content, can read them too. Makes bytes from values: it owns no file.
"""

from __future__ import annotations

import struct
import time

BLOCK_SIZE = 65535  # the most bytes in a stored block
LAST_BLOCK = b"\x01\x00\x00\xff\xff"  # empty, so a writer need not know in advance which block is the last
_BLOCK_HEAD = 5

_LARGE = 0xFFFFFFFF  # from here on, sizes and offsets have eight bytes, in a Zip64 record
_MANY = 0xFFFF
_DEFLATED, _STORED = 8, 0
_HAS_DESCRIPTOR, _IS_UTF8 = 1 << 3, 1 << 11
_VERSION, _VERSION_OF_ZIP64 = 20, 45
_UNIX = 3 << 8  # made by Unix: the upper half of the external attributes is a mode, a name without _IS_UTF8 is bytes
_FILE_MODE, _FOLDER_MODE = 0o100644 << 16, 0o040755 << 16 | 0x10

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_DESCRIPTOR, _DESCRIPTOR_OF_ZIP64 = struct.Struct("<4s3I"), struct.Struct("<4sIQQ")
_TIME = struct.Struct("<HHBi")  # the extended timestamp of Info-ZIP: seconds of UTC; those of DOS have no zone
_END = struct.Struct("<4s4H2IH")
_END_OF_ZIP64, _LOCATOR = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")


def make_block_head(size: int) -> bytes:
    """Return the header of a stored block with ``size`` bytes of content, at most BLOCK_SIZE."""
    return struct.pack("<BHH", 0, size, size ^ 0xFFFF)


def encoded_size(size: int) -> int:
    """Return the size of a file's blocks, the empty last one included."""
    return size + _BLOCK_HEAD * -(-size // BLOCK_SIZE) + len(LAST_BLOCK)


def _is_large(size: int) -> bool:
    return encoded_size(size) >= _LARGE


def make_local_header(name: bytes, size: int, mtime_s: int) -> bytes:
    """Return the local header of a member; the name of a folder ends with a slash, and its size is 0 (APPNOTE 4.3.7).

    Sizes and checksum are zero here: they follow the content.
    """
    extra = _make_time(mtime_s)
    version, fields = _VERSION, (0, 0, 0)
    if _is_large(size):  # says that the descriptor has eight bytes for each (4.3.9.2)
        extra += struct.pack("<HHQQ", 1, 16, 0, 0)
        version, fields = _VERSION_OF_ZIP64, (0, _LARGE, _LARGE)
    flags, method = _flags_and_method(name)
    head = _LOCAL.pack(b"PK\3\4", version, flags, method, *_dos_time(mtime_s), *fields, len(name), len(extra))
    return head + name + extra


def make_descriptor(size: int, checksum: int) -> bytes:
    """Return the data descriptor that follows the content of a file (4.3.9)."""
    record = _DESCRIPTOR_OF_ZIP64 if _is_large(size) else _DESCRIPTOR
    return record.pack(b"PK\7\x08", checksum, encoded_size(size), size)


def make_central_header(name: bytes, size: int, mtime_s: int, checksum: int, offset: int) -> bytes:
    """Return a member's row of the directory at the end; ``offset`` is where its local header is (4.3.12)."""
    is_folder = name.endswith(b"/")
    wide = b""
    sizes = (0 if is_folder else encoded_size(size), size)
    if _is_large(size):
        wide, sizes = struct.pack("<QQ", size, sizes[0]), (_LARGE, _LARGE)
    if offset >= _LARGE:
        wide, offset = wide + struct.pack("<Q", offset), _LARGE
    extra = _make_time(mtime_s) + (struct.pack("<HH", 1, len(wide)) + wide if wide else b"")
    version = _VERSION_OF_ZIP64 if wide else _VERSION
    flags, method = _flags_and_method(name)
    head = (b"PK\1\2", _UNIX | version, version, flags, method, *_dos_time(mtime_s), checksum, *sizes)
    mode = _FOLDER_MODE if is_folder else _FILE_MODE
    return _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, mode, offset) + name + extra


def make_end(count: int, size: int, offset: int) -> bytes:
    """Return the end of an archive; its directory has ``count`` rows, ``size`` bytes from ``offset`` on (4.3.14)."""
    wide = b""
    if count >= _MANY or size >= _LARGE or offset >= _LARGE:
        version = _VERSION_OF_ZIP64
        counts = (_END_OF_ZIP64.size - 12, _UNIX | version, version, 0, 0, count, count, size, offset)
        wide = _END_OF_ZIP64.pack(b"PK\6\6", *counts) + _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
    count, size, offset = min(count, _MANY), min(size, _LARGE), min(offset, _LARGE)
    return wide + _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def member_size(name: bytes, size: int) -> int:
    """Return the size of a member, without its row in the directory."""
    header = _LOCAL.size + len(name) + _TIME.size + (20 if _is_large(size) else 0)
    if name.endswith(b"/"):
        return header
    return header + encoded_size(size) + (_DESCRIPTOR_OF_ZIP64 if _is_large(size) else _DESCRIPTOR).size


def central_size(name: bytes, size: int, offset: int) -> int:
    """Return the size of a member's row in the directory."""
    wide = (16 if _is_large(size) else 0) + (8 if offset >= _LARGE else 0)
    return _CENTRAL.size + len(name) + _TIME.size + (4 + wide if wide else 0)


def _flags_and_method(name: bytes) -> tuple[int, int]:
    try:
        name.decode()
        flags = _IS_UTF8
    except UnicodeDecodeError:  # Info-ZIP keeps the bytes, other programs read CP437
        flags = 0
    return (flags, _STORED) if name.endswith(b"/") else (flags | _HAS_DESCRIPTOR, _DEFLATED)


def _make_time(mtime_s: int) -> bytes:
    return _TIME.pack(0x5455, 5, 1, min(max(mtime_s, -(1 << 31)), (1 << 31) - 1))


def _dos_time(mtime_s: int) -> tuple[int, int]:
    """Return DOS time and date in UTC, to two seconds; times outside of 1980 to 2107 become the nearest."""
    year, month, day, hour, minute, second = time.gmtime(min(max(mtime_s, 315532800), 4354819198))[:6]
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
