"""``--qr``: a URL as a QR code for a terminal."""

from __future__ import annotations

from fastfile.errors import StartError, tell_missing

BORDER = 2  # modules around it; ISO/IEC 18004 asks for four, and phones are content with two
_BLACK_ON_WHITE, _WHITE, _BLACK, _PLAIN = "\x1b[30;107m", "\x1b[107m", "\x1b[40m", "\x1b[0m"


def check_qr() -> None:
    """Raise StartError if the library is missing."""
    try:
        import segno  # noqa: F401
    except ImportError:
        raise StartError(f"--qr: {tell_missing('segno')}") from None


def make_qr(url: str, is_unicode: bool = True) -> str:
    """Return the code as lines, black on white in any terminal.

    Half blocks have two rows of modules in a line. Without Unicode, each module is two spaces on its colour.
    """
    import segno

    rows = [list(row) for row in segno.make(url, error="l", micro=False).matrix_iter(border=BORDER)]
    if not is_unicode:
        painted = ("".join((_BLACK if module else _WHITE) + "  " for module in row) for row in rows)
        return "".join(f"  {row}{_PLAIN}\n" for row in painted)
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        blocks = (" ▀▄█"[bool(above) + 2 * bool(below)] for above, below in zip(upper, lower, strict=True))
        lines.append(f"  {_BLACK_ON_WHITE}{''.join(blocks)}{_PLAIN}\n")
    return "".join(lines)
