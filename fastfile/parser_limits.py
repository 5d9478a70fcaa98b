"""The limits of both parsers, for HTTP/1.1 and HTTP/2. Imports nothing of fastfile."""

from __future__ import annotations

from fastfile.records import NamedTuple


class ParserLimits(NamedTuple):
    """The limits of the parser, in bytes or counts. The options of the same names have the reasons."""

    request_line: int = 8192  # more: 414
    field_line: int = 16384  # one line; more: 431
    head: int = 32768  # the whole head, and the trailer section of a chunked body; more: 431
    fields: int = 100  # lines in the head, and in the trailer section; more: 431
    empty_lines: int = 8  # before the request-line; more: 400
    body: int = 262144  # bytes of content that are read and dropped; more: 413
    chunk_line: int = 256  # a chunk-size line with its extensions; more: 400
