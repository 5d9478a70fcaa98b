"""The references of a web application manifest (W3C Application Manifest): where it starts, its icons, its shortcuts.

The file is JSON: members of another form are skipped, and a reference's line is where its text first occurs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from fastfile.commands.check.references import Reference, decode

_PICTURES = ("icons", "screenshots")


def is_manifest(path: bytes) -> bool:
    """Tell whether a file's name is that of a manifest, or may be: build tools have others of that name."""
    name = path.rpartition(b"/")[2].lower()
    return name.endswith(b".webmanifest") or name == b"manifest.json"


def find_references(content: bytes) -> Iterator[Reference]:
    """Return the references of a manifest; none if the file is not one."""
    text = decode(content)
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        return
    for place, goes in _places(manifest):
        if isinstance(place, str):
            position = max(0, text.find(f'"{place}"'))
            yield Reference(place, text.count("\n", 0, position) + 1, goes)


def _places(manifest: object) -> Iterator[tuple[object, bool]]:
    """Return possible URLs, and whether a browser navigates there."""
    if not isinstance(manifest, dict):
        return
    yield manifest.get("start_url"), True
    shortcuts = _members(manifest, "shortcuts")
    yield from ((shortcut.get("url"), True) for shortcut in shortcuts)
    for holder in (manifest, *shortcuts):
        yield from ((picture.get("src"), False) for kind in _PICTURES for picture in _members(holder, kind))


def _members(holder: dict[str, object], name: str) -> list[dict[str, object]]:
    found = holder.get(name)
    return [member for member in found if isinstance(member, dict)] if isinstance(found, list) else []
