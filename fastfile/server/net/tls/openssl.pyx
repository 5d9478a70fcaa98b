# cython: language_level=3
"""A channel that calls the OpenSSL that Python has loaded. MemoryChannel is the specification; tests compare the two.

The standard library makes contexts, with certificates and callbacks, and connections. Handshakes and records are done
here, without the objects and copies that the standard library makes of each.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno

import ssl
import sys
import sysconfig

from fastfile.server.net.tls.channel import MOST_QUIET, RECORD, TooQuiet

cdef extern from "openssl.h" nogil:
    ctypedef void (*ff_info)(const SSL *, int where, int result)
    ctypedef struct ff_functions:
        unsigned long (*OpenSSL_version_num)()
        unsigned long long (*SSL_CTX_get_options)(const SSL_CTX *context)
        void (*SSL_CTX_set_info_callback)(SSL_CTX *context, ff_info callback)
        SSL_CTX *(*SSL_get_SSL_CTX)(const SSL *)
        int (*SSL_get_error)(const SSL *, int result)
        int (*SSL_version)(const SSL *)
        void (*SSL_get0_alpn_selected)(const SSL *, const unsigned char **data, unsigned int *size)
        void (*ERR_clear_error)()
        unsigned long (*ERR_peek_last_error)()
        void (*ERR_error_string_n)(unsigned long code, char *text, size_t size)
    ff_functions ff
    const SSL *ff_seen
    const int FF_RECORD, FF_MOST_QUIET, FF_ERROR
    const char *ff_bind(const char *path)
    void ff_see(const SSL *, int where, int result)
    void *ff_word(const void *object, Py_ssize_t offset)
    Py_ssize_t ff_find(const void *object, Py_ssize_t start, Py_ssize_t size)
    ff_shared *ff_shared_new()
    void ff_shared_free(ff_shared *shared)
    ff_wire *ff_connect(SSL *, ff_shared *shared, BIO **bio)
    void ff_disconnect(ff_wire *wire, BIO *bio)
    int ff_feed(ff_wire *wire, const char *data, size_t size)
    int ff_keep(ff_wire *wire)
    int ff_shake_hands(SSL *, ff_wire *wire)
    Py_ssize_t ff_decrypt(SSL *, ff_wire *wire, char *buffer, size_t size, int *ended)
    int ff_write(SSL *, ff_wire *wire, const char *data, size_t size)
    int ff_seal(SSL *, ff_wire *wire)
    int ff_end(SSL *, ff_wire *wire)
    char *ff_room_for_file(SSL *, ff_wire *wire, size_t *room)
    void ff_note_file(ff_wire *wire, size_t size)
    Py_ssize_t ff_flush(ff_wire *wire, int fd, Py_ssize_t *total, Py_ssize_t *sent)

assert FF_RECORD == RECORD and FF_MOST_QUIET == MOST_QUIET, "the channels disagree on a size"

cdef enum:
    TLS_1_3 = 0x0304

# In an object of Python's _ssl, the offset of the pointer to OpenSSL's connection; found by why_unusable().
cdef Py_ssize_t connection_offset = -1


def why_unusable():
    """Prepare this channel; return why it cannot be used, or an empty string."""
    global connection_offset
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it needs CPython with a GIL"
    import _ssl

    path = getattr(_ssl, "__file__", None)
    if path is None:
        return "Python's module _ssl is part of the interpreter"
    if not ssl.OPENSSL_VERSION.startswith("OpenSSL "):
        return f"Python uses {ssl.OPENSSL_VERSION}"
    cdef bytes encoded = path.encode()
    cdef const char *missing = ff_bind(encoded)
    if missing != NULL:
        return f"OpenSSL: {missing.decode()} was not found"
    if ff.OpenSSL_version_num() != ssl.OPENSSL_VERSION_NUMBER:
        return "there is another OpenSSL than that of Python"
    cdef Py_ssize_t offset = find_connection() if hasattr(ssl.SSLContext, "_wrap_bio") else -1
    if offset < 0:
        return "Python's module _ssl has objects of an unknown layout"
    connection_offset = offset
    return ""


cdef Py_ssize_t find_connection() except -2:
    """Return where the connection is in an object of _ssl: OpenSSL itself says which connection it is; -1: not found.

    The first field of a context object is the pointer to OpenSSL's, as in groups.py; options set by Python prove it.
    """
    global ff_seen
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cdef void *pointer = ff_word(<void *>context, object.__basicsize__)
    for options in (ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET, ssl.OP_CIPHER_SERVER_PREFERENCE):
        context.options = options
        if pointer == NULL:
            return -1
        if ff.SSL_CTX_get_options(<SSL_CTX *>pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
            return -1
    ff.SSL_CTX_set_info_callback(<SSL_CTX *>pointer, ff_see)
    cdef Py_ssize_t offset = find_in_one(context, <SSL_CTX *>pointer)
    return offset if offset >= 0 and offset == find_in_one(context, <SSL_CTX *>pointer) else -1


cdef Py_ssize_t find_in_one(context, SSL_CTX *pointer) except -2:
    global ff_seen
    made = context._wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), True)
    cdef Py_ssize_t offset = -1
    ff_seen = NULL
    try:
        made.do_handshake()
    except ssl.SSLWantReadError:
        if ff_seen != NULL and ff.SSL_get_SSL_CTX(ff_seen) == pointer:
            offset = ff_find(<void *>made, object.__basicsize__, type(made).__basicsize__)
    ff_seen = NULL
    return offset


cdef class OpensslChannels:
    """Makes channels that share the memory for records that leave in one call; one for each event loop."""

    def __cinit__(self):
        self.shared = ff_shared_new()
        if self.shared == NULL:
            raise MemoryError

    def __init__(self):
        if connection_offset < 0:
            raise RuntimeError("why_unusable() was not called, or said why")
        # Each connection of _ssl is made with these, and gets a wire of its own at once.
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()

    def __dealloc__(self):
        ff_shared_free(self.shared)

    def open(self, context):
        return make_channel(self, context)


cdef OpensslChannel make_channel(OpensslChannels channels, context):
    cdef OpensslChannel channel = OpensslChannel.__new__(OpensslChannel)
    # Not wrap_bio(): of the object that it puts around this one, nothing is used.
    connection = context._wrap_bio(channels.incoming, channels.outgoing, True)
    channel.has_ended = False
    channel.size = channel.sent = 0
    channel.channels = channels
    channel.connection = channel.engine = connection
    channel.pointer = <SSL *>ff_word(<void *>connection, connection_offset)
    channel.wire = ff_connect(channel.pointer, channels.shared, &channel.bio)
    if channel.wire == NULL:
        raise MemoryError
    return channel


@cython.no_gc_clear  # or OpenSSL's connection would go before its pointer
cdef class OpensslChannel(Channel):
    def __dealloc__(self):
        if self.wire != NULL:
            ff_disconnect(self.wire, self.bio)

    cpdef feed(self, bytearray data):
        cdef int is_done = ff_feed(self.wire, PyByteArray_AS_STRING(data), PyByteArray_GET_SIZE(data))
        self.keep(is_done)

    cpdef bytes take_back(self):
        cdef bytes rest = PyBytes_FromStringAndSize(self.wire.input, self.wire.input_size)
        self.wire.input_size = 0
        self.keep(True)
        return rest

    cpdef bint has_input(self) except -1:
        return self.wire.input_size > 0

    cpdef bint shake_hands(self, bytearray wire, Py_ssize_t count) except -1:
        self.offer(wire, count)
        cdef int result = ff_shake_hands(self.pointer, self.wire)
        if result == FF_ERROR:
            self.fail()
        self.keep(True)
        return result == 1

    cpdef bint has_tls_1_3(self) except -1:
        return ff.SSL_version(self.pointer) >= TLS_1_3

    cpdef bytes protocol(self):
        cdef const unsigned char *data
        cdef unsigned int size
        ff.SSL_get0_alpn_selected(self.pointer, &data, &size)
        return PyBytes_FromStringAndSize(<const char *>data, size)

    cpdef Py_ssize_t decrypt(self, bytearray wire, Py_ssize_t count, bytearray buffer) except -2:
        cdef int ended = False
        self.offer(wire, count)
        if self.wire.input_size == 0:
            return -1
        count = ff_decrypt(self.pointer, self.wire, PyByteArray_AS_STRING(buffer), PyByteArray_GET_SIZE(buffer), &ended)
        if count == FF_ERROR:
            self.fail()
        self.keep(True)
        if self.wire.quiet > FF_MOST_QUIET:
            raise TooQuiet
        if ended:
            self.has_ended = True
            return count
        return count if count > 0 else -1

    cpdef write(self, bytes data, Py_ssize_t start, Py_ssize_t stop):
        if not 0 <= start <= stop <= PyBytes_GET_SIZE(data):
            raise ValueError("outside of the bytes")
        if ff_write(self.pointer, self.wire, PyBytes_AS_STRING(data) + start, stop - start) == FF_ERROR:
            raise make_error()
        self.lone = data

    cpdef Py_ssize_t write_file(self, int fd, long long offset, Py_ssize_t count, bint is_cached) except -1:
        cdef Py_ssize_t total = 0, got
        cdef size_t room
        cdef char *buffer
        while total < count:
            buffer = ff_room_for_file(self.pointer, self.wire, &room)
            if buffer == NULL:
                raise make_error()
            if <Py_ssize_t>room > count - total:
                room = count - total
            if is_cached:
                got = read_memory(fd, buffer, room, offset + total)
            else:
                got = read_file(fd, buffer, room, offset + total)
            if got <= 0:
                break
            ff_note_file(self.wire, got)
            total += got
        return total

    cpdef bint send(self, int fd) except -1:
        if ff_seal(self.pointer, self.wire) == FF_ERROR:
            raise make_error()
        self.lone = None
        self.size = self.sent = 0
        cdef Py_ssize_t left = ff_flush(self.wire, fd, &self.size, &self.sent)
        if left < 0:
            PyErr_SetFromErrno(OSError)
        return left == 0

    cpdef end(self):
        if ff_end(self.pointer, self.wire) == FF_ERROR:
            raise make_error()
        self.lone = None

    cdef int offer(self, bytearray wire, Py_ssize_t count) except -1:
        if not 0 <= count <= PyByteArray_GET_SIZE(wire):
            raise ValueError("outside of the buffer")
        if count > 0 and not ff_feed(self.wire, PyByteArray_AS_STRING(wire), count):
            raise MemoryError
        return 0

    cdef int fail(self) except -1:
        """Raise the error of OpenSSL, and keep the alert that it has written."""
        error = make_error()
        self.keep(True)
        raise error

    cdef int keep(self, bint is_done) except -1:
        if not ff_keep(self.wire) or not is_done:
            raise MemoryError
        return 0


cdef make_error():
    """Return the last error of OpenSSL as the standard library would, and clear it for the next call."""
    cdef char text[256]
    cdef unsigned long code = ff.ERR_peek_last_error()
    ff.ERR_error_string_n(code, text, sizeof(text))
    ff.ERR_clear_error()
    return ssl.SSLError(ssl.SSL_ERROR_SSL, (<bytes>text).decode("ascii", "replace"))
