"""Content-Disposition (RFC 6266): the name under which a client stores a response."""

from __future__ import annotations

from fastfile.http.target import encode_path

# Characters that every client reads the same way in a quoted string: no escapes, and no percent sign, which some
# clients decode (RFC 6266 appendix D).
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~ ()[]+,=@!"


def make_attachment(name: bytes) -> bytes:
    """Return the value that makes a client store a response as ``name``, a file name of any bytes.

    A name with other characters is given twice: as UTF-8 (RFC 8187), and with ``_`` for clients without RFC 8187.
    """
    others = name.translate(None, _PLAIN)
    if not others:
        return b'attachment; filename="%b"' % name
    plain = name.translate(bytes.maketrans(others, b"_" * len(others)))
    exact = encode_path(name.decode("utf-8", "replace").encode())
    return b"attachment; filename=\"%b\"; filename*=UTF-8''%b" % (plain, exact)
