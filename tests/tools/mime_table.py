"""Write fastfile/http/content/mime_db.py from tests/data/mime-db.json: the extensions that fastfile's table lacks.

python tests/tools/mime_table.py
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from fastfile.http.content.media_types import BY_EXTENSION

TESTS = Path(__file__).parents[1]
TARGET = TESTS.parent / "fastfile" / "http" / "content" / "mime_db.py"


def make_table() -> str:
    """Return the table: each type with its extensions, as words that a space or a line break separates."""
    types = json.loads((TESTS / "data" / "mime-db.json").read_text())["types"]
    groups: dict[str, list[str]] = {}
    for extension, media_type in sorted(types.items()):
        if extension.encode() not in BY_EXTENSION:
            groups.setdefault(media_type, []).append(extension)
    words = " ".join(" ".join((media_type, *extensions)) for media_type, extensions in sorted(groups.items()))
    return "\n".join(textwrap.wrap(words, 118, break_long_words=False, break_on_hyphens=False))


def make_module(old: str) -> str:
    """Return the text of the module."""
    before, _, rest = old.partition('TABLE = b"""\n')
    return f'{before}TABLE = b"""\n{make_table()}\n"""{rest.partition(chr(34) * 3)[2]}'


if __name__ == "__main__":
    TARGET.write_text(make_module(TARGET.read_text()))
