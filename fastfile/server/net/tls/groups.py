"""The groups in which a handshake may agree on a key: elliptic curves, and no finite fields (RFC 7919).

A client chooses among the groups that the server accepts, and OpenSSL accepts finite fields by default. One handshake
in ffdhe8192 took a worker 134 ms, against 1 ms in X25519: eight clients a second would fill a CPU (CVE-2002-20001).
"""

from __future__ import annotations

import ssl
import sys

# Mozilla's intermediate profile, and the hybrid group that OpenSSL 3.5 and browsers prefer.
CURVES = "X25519:P-256:P-384"
HYBRID = "X25519MLKEM768"
_SET_GROUPS_LIST = 92  # SSL_CTRL_SET_GROUPS_LIST of OpenSSL


def limit_groups(context: ssl.SSLContext) -> None:
    """Let a context accept elliptic curves only; where Python and its OpenSSL give no access, P-256 only."""
    groups = f"{HYBRID}:{CURVES}" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else CURVES
    if hasattr(context, "set_groups"):  # Python 3.15
        context.set_groups(groups)
    elif not _limit_by_openssl(context, groups):
        context.set_ecdh_curve("prime256v1")  # takes one curve; every client has this one


def _limit_by_openssl(context: ssl.SSLContext, groups: str) -> bool:
    """Set the groups in the library that the module ssl uses; False where it cannot be called.

    The first field of CPython's context object is the pointer to OpenSSL's. That both have the same options proves it.
    """
    if sys.implementation.name != "cpython":
        return False
    try:
        import _ssl
        import ctypes

        library = ctypes.CDLL(_ssl.__file__)
        control, get_options = library.SSL_CTX_ctrl, library.SSL_CTX_get_options
    except (ImportError, AttributeError, OSError):  # linked into the interpreter
        return False
    control.restype = ctypes.c_long
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    get_options.restype = ctypes.c_uint64
    get_options.argtypes = [ctypes.c_void_p]
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not pointer or get_options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        return False
    if control(pointer, _SET_GROUPS_LIST, 0, groups.encode()) == 1:
        return True
    library.ERR_clear_error()  # or the next error of Python's would be this one
    return False
