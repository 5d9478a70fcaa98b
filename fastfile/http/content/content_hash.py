"""File names with a content hash, as build tools write them: the content of such a name never changes.

A missed hash costs a 304; a false hit shows users an old file for a year. So a hash counts only if it has a length that
tools write, stands where they put it, and is not a word, number or common abbreviation. Only names are checked, not
contents. Measured on real builds: tests/data/immutable/README.md.
"""

from __future__ import annotations

from itertools import pairwise

_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_UPPER = _LOWER.upper()
_DIGITS = b"0123456789"
_IS_MARK = bytes([byte in _DIGITS + _UPPER for byte in range(256)])
SLASH, DOT, HYPHEN = b"/.-"
_HEX = _DIGITS + b"abcdef"
_BASE32 = _UPPER + b"234567"  # esbuild, and Angular's main and styles
_BASE64URL = _LOWER + _UPPER + _DIGITS + b"-_"  # Rollup, and so Vite, SvelteKit and Astro

# The files that pages load. Not HTML, whose URL must stay; not data (.json, .txt, .xml), which people name by ids that
# look like hashes and then rewrite; not .map, whose name has the hash of its script.
_EXTENSIONS = frozenset(
    b"js mjs cjs css wasm avif bmp gif ico jpeg jpg png svg webp eot otf ttf woff woff2 glb m4a mp3 mp4 ogg wav "
    b"webm".split()
)
# Files that people name, number and overwrite by hand: a short token counts only in folders of build tools.
_MEDIA = frozenset(b"avif bmp gif ico jpeg jpg png svg webp glb m4a mp3 mp4 ogg wav webm".split())
# Vite, Rollup; Create React App, Angular, Next.
_TOOL_FOLDERS = (b"/assets/", b"/media/")
# Between the hash and the extension: webpack's chunks, Hugo's bundles, wasm-bindgen's modules.
_ENDINGS = (b".chunk", b".bundle", b".min", b"_bg")
# Folders in which every name has a hash, as the tools document: SvelteKit, Astro, Next and Nuxt.
_HASHED_FOLDERS = (b"/_app/immutable/", b"/_astro/", b"/_next/static/", b"/_nuxt/")
# Names that tools give to their own files.
_OWN_NAMES = frozenset((b"main", b"index", b"polyfills", b"styles", b"runtime", b"vendor", b"vendors"))

# For a to z, the letters that follow it in names: at least once in 2000 pairs of letters in the file names of 700 npm
# packages, or within html, js, png, jwt and the like.
_FOLLOWERS = (
    *(b"abcdfgiklmnprstuvwxyz", b"abegilmorsuy", b"abcdefhiklorstuy", b"abcdefilmnorsuvx", b"abcdefgiklmnopqrstuvwxy"),
    *(b"aefgilnorstuy", b"abefghilnoprstuz", b"adeiortuxy", b"abcdefgklmnoprstuvxz", b"aekpsuw", b"abeisu"),
    *(b"abcdegilopstuyz", b"abdeiklmopstu", b"acdefgiknopstuvy", b"abcdfgijklmnoprstuvwx", b"adehilmnoprstux", b"lu"),
    *(b"abcdefgiklmnoprstuvxy", b"abcdehiklmnopqstuvxy", b"abcdefhilmoprstuvwxyz", b"abcdegilmnprstx", b"aeghioprw"),
    *(b"aegimnopstx", b"ehilmpst", b"aelmopstv", b"eos"),
)


def is_immutable(path: bytes) -> bool:
    """Tell whether the last segment of a file's path has the hash of its content in it."""
    # Byte by byte from the end, because compiled, a method of bytes costs several hundred instructions.
    start = end = len(path)
    has_extension = has_mark = has_separator = False
    while start > 0:
        byte = path[start - 1]
        if byte == SLASH:
            break
        start -= 1
        if not has_extension:
            end = start
            has_extension = byte == DOT
        elif byte in (DOT, HYPHEN):
            has_separator = has_separator or end - start > 8
        elif _IS_MARK[byte]:
            has_mark = True
    # The shortest hash has 8 characters, with a digit or in upper case. Outside of folders like _astro, it follows a
    # separator, or it is all of the stem.
    length = end - start
    if not has_extension or not has_mark or length < 8:
        return False
    if not has_separator and length < 20 and path.find(b"_") < 0:
        return False
    stem, extension = path[start:end], path[end + 1 :].lower()
    if extension not in _EXTENSIONS:
        return False
    return _has_hash(b"/%b/" % path[: max(start - 1, 0)], stem, extension) and not is_service_worker(path)


def _has_hash(location: bytes, stem: bytes, extension: bytes) -> bool:
    """Tell whether a stem has a hash in it; ``location`` is its folder between slashes."""
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    # Not with "in": it makes and clears an exception before it looks at bytes.
    in_hashed_folder = location.find(b"/_") >= 0 and any(location.find(known) >= 0 for known in _HASHED_FOLDERS)
    is_media = extension in _MEDIA
    in_tool_folder = location.endswith(_TOOL_FOLDERS)
    if _ends_with_hex(stem, in_hashed_folder, is_media and not in_tool_folder):
        return True
    if in_hashed_folder:
        return _is_token(_cut(stem, 8, True), 2) or _is_turbopack(_cut(stem, 13, True))
    token = _cut(stem, 8, False)
    if not token:
        return False
    if is_media and (not in_tool_folder or _is_numbered_name(token, location)):
        return False
    name = stem[: -len(token) - 1]
    if name == b"chunk":
        return _is_token(token, 2)
    # Vite's folder, and that of many other tools; Vite does not write all upper case.
    in_assets = location.endswith(b"/assets/") and _has(token, _LOWER)
    is_own = name in _OWN_NAMES
    # Both indicate Vite: then only letters are enough, unless they are two words, as in firstSecond.
    if in_assets and is_own and sum(byte in _UPPER for byte in token) >= 2 and _count_joints(token) >= 3:
        return _is_token(token, 2)
    return _is_token(token, 3 if in_assets or is_own else 4)


def is_page(path: bytes) -> bool:
    """Tell whether the file is HTML."""
    return path.lower().endswith((b".html", b".htm", b".xhtml", b".xht"))


def is_service_worker(path: bytes) -> bool:
    """Tell whether the file is a service worker, whose URL must stay: browsers look for its next version there."""
    stem = path.rpartition(b"/")[2].rpartition(b".")[0].lower()
    words = stem.replace(b".", b"-").replace(b"_", b"-").split(b"-")
    return b"sw" in words or b"serviceworker" in b"".join(words)


def _cut(stem: bytes, length: int, may_be_all: bool) -> bytes:
    """Return the last characters of the stem if a separator precedes them; else b""."""
    separator = stem[-length - 1 : -length]
    good = separator in (b"-", b".") if separator else may_be_all and len(stem) == length
    return stem[-length:] if good else b""


def _is_numbered_name(token: bytes, location: bytes) -> bool:
    """Tell whether a token may be a name or a model with a number: JohnDoe1, IMX477V2 (also Angular's form)."""
    if not _has(token, _LOWER):
        return not location.endswith(b"/media/")
    words = token.rstrip(_DIGITS)
    humps = sum(byte in _UPPER for byte in words)
    # Each word has an upper-case letter and at least two others.
    return not words.translate(None, _LOWER + _UPPER) and words[0] in _UPPER and len(words) >= 3 * humps


def _ends_with_hex(stem: bytes, in_hashed_folder: bool, needs_length: bool) -> bool:
    """Tell whether the stem ends with a hexadecimal hash of a common length; ``needs_length``: more than 8 digits.

    A stem of only digits and letters is more often the id of something than a hash (24 digits are MongoDB's, 32 a
    UUID's, 40 a commit's): outside of hash folders, only webpack's 20 digits count.
    """
    name = stem.rstrip(_HEX)
    token = stem[len(name) :]
    length = len(token)
    if not _has_both(token):
        return False
    if not name:
        return length == 20 or (in_hashed_folder and length in (16, 32))
    separator = name[-1:]
    if length == 8 and needs_length and not in_hashed_folder:
        return False
    if length == 8:
        return separator in (b"-", b".") and _count_joints(token) >= 2 and not _is_date_or_colour(token)
    if length == 12:  # after a hyphen it would be the end of a UUID; Django writes a dot
        return separator == b"."
    return length in (16, 20, 32, 64) and separator in (b"-", b".")


def _is_turbopack(token: bytes) -> bool:
    """Tell whether a token is one of Next's Turbopack: base 40 in lower case, for scripts and styles."""
    return not token.strip(_LOWER + _DIGITS + b"-_~") and _has_both(token) and _count_joints(token) >= 2


def _is_token(token: bytes, least: int) -> bool:
    """Tell whether 8 characters have at least ``least`` unexplained joints, one more if they are all letters.

    Lower case is never enough, with digits or without: css3html, arm64v8a and 1h30m20s have that form. Only upper case
    is base32, which has no 0, 1, 8 and 9.
    """
    if token.strip(_BASE64URL) or not _has(token, _UPPER) or _is_date_or_colour(token):
        return False
    if not _has(token, _LOWER) and token.strip(_BASE32):
        return False
    return _count_joints(token) >= (least if _has(token, _DIGITS + b"-_") else least + 1)


def _count_joints(token: bytes) -> int:
    """Count the places where a name would not continue like this.

    Those are letter to digit and back, lower case to upper, and rare pairs of letters.
    """
    count = 0
    for first, second in pairwise(token):
        letters = (first in _LOWER or first in _UPPER) + (second in _LOWER or second in _UPPER)
        if letters == 2:
            is_hump = first in _LOWER and second in _UPPER
            count += is_hump or second | 0x20 not in _FOLLOWERS[(first | 0x20) - 0x61]
        elif letters == 1:
            count += first in _DIGITS or second in _DIGITS
    return count


def _has_both(token: bytes) -> bool:
    """Tell whether there are digits and letters: only digits are dates and numbers, only letters are words."""
    return _has(token, _DIGITS) and _has(token, _LOWER)


def _has(token: bytes, alphabet: bytes) -> bool:
    return len(token.translate(None, alphabet)) < len(token)


def _is_date_or_colour(token: bytes) -> bool:
    """Tell whether there is a year at either end (5dec2019), or pairs as in ff8800cc."""
    years = (token[:4], token[-4:])
    if any(year[:2] in (b"19", b"20") and year.isdigit() for year in years):
        return True
    return token[::2] == token[1::2]
