"""The kind of a file by its extension: a class of style.css that gives its row an icon."""

from __future__ import annotations

from fastfile.http.content.media_types import media_type

_KINDS_BY_MAIN_TYPE = {b"image": "i", b"video": "v", b"audio": "a", b"font": "f", b"model": "i"}
_CODE = b"""
css html htm xhtml js mjs cjs jsx ts mts cts tsx vue svelte json jsonc json5 map xml yaml yml toml ini wasm webmanifest
py pyi rb rs go c h cc cpp hpp java kt swift cs php pl lua sh bash zsh fish ps1 bat sql graphql scss sass less rss atom
"""
_TEXT = b"txt md markdown rst adoc csv tsv log pdf epub rtf doc docx odt xls xlsx ods ppt pptx odp tex ps ics vtt srt"
_ARCHIVES = b"zip gz tgz br zst bz2 xz 7z rar tar jar war deb rpm apk dmg iso whl crate"
_KINDS = {
    **dict.fromkeys(_CODE.split(), "c"),
    **dict.fromkeys(_TEXT.split(), "t"),
    **dict.fromkeys(_ARCHIVES.split(), "z"),
}


def kind_of_extension(extension: bytes) -> str:
    """Return the class of the icon for an extension, in upper or lower case; "" if it is unknown."""
    extension = extension.lower()
    kind = _KINDS.get(extension)
    if kind is None:
        kind = _KINDS_BY_MAIN_TYPE.get(media_type(b"a." + extension).partition(b"/")[0], "")
    return kind
