"""Extensible priorities (RFC 9218 §4): urgency, and whether a client can use parts of a response."""

from __future__ import annotations

import re

URGENCY = 3  # the default
LONGEST = 256  # bytes; a longer value is ignored, so that it causes no work
_PARAMETER = re.compile(rb"(?:^|,)[ \t]*([a-z*][a-z0-9_.*-]*)(=[^,]*)?")


def parse_priority(value: bytes) -> tuple[int, bool]:
    """Return the urgency, 0 (first) to 7, and whether the response is incremental.

    Malformed and unknown input is ignored (§4): of the dictionary (RFC 8941 §3.2), two members matter.
    """
    urgency, is_incremental = URGENCY, False
    for match in _PARAMETER.finditer(value if len(value) <= LONGEST else b""):
        name, text = match[1], match[2]
        argument = b"" if text is None else text[1:].partition(b";")[0].strip(b" \t")
        if name == b"u" and len(argument) == 1 and argument in b"01234567":
            urgency = int(argument)
        elif name == b"i":
            is_incremental = text is None or argument == b"?1"
    return urgency, is_incremental
