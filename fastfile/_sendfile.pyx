# cython: language_level=3
"""The system calls of the request path, compiled. _sendfile_py.py is the specification; the two agree call by call."""


from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from cpython.time cimport monotonic, time
from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, ENOENT, ENOTDIR, errno
from libc.string cimport memcmp, memcpy, memset, strlen

from fastfile._sendfile_py import BATCH, MAX_PARTS, READ_AHEAD_STEP, WOULD_BLOCK, make_signature  # no-cython-lint: the facade takes them from here

cdef extern from "_sendfile.h" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr_storage:
        pass
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ctypedef struct ff_signature:
        long long mtime_ns
        long long ctime_ns
    const int MSG_MORE
    const int MSG_NOSIGNAL
    const int MSG_DONTWAIT
    const int FF_MAX_PARTS
    const int FF_BATCH
    const int EPOLL_CTL_ADD
    const int EPOLL_CTL_MOD
    const int EPOLL_CLOEXEC
    Py_ssize_t recv(int fd, void *buffer, size_t size, int flags)
    Py_ssize_t send(int fd, const void *buffer, size_t size, int flags)
    Py_ssize_t sendmsg(int fd, const msghdr *message, int flags)
    int epoll_create1(int flags)
    int ff_epoll_ctl(int epoll, int operation, int fd, unsigned int interest)
    int ff_epoll_wait(int epoll, int *ready, int most)
    int close_fd "close"(int fd)
    int shutdown(int fd, int how)
    int ff_reset_on_close(int fd)
    const int SHUT_RD
    const int SHUT_WR
    int ff_accept(int fd, sockaddr_storage *address, socklen_t *size)
    Py_ssize_t ff_address(sockaddr_storage *address, char **bytes_)
    Py_ssize_t ff_sendfile(int fd, int file, long long offset, size_t count)
    Py_ssize_t ff_copy_file(int fd, int file, long long offset, size_t count)
    Py_ssize_t ff_read_cached(int file, void *buffer, size_t count, long long offset)
    Py_ssize_t ff_read_memory(int file, void *buffer, size_t count, long long offset)
    Py_ssize_t ff_read_places(int file, const iovec *places, int count, long long offset, int may_wait)
    int ff_read_ahead(int file, long long offset, long long count, long long more, long long step)
    Py_ssize_t pread(int file, void *buffer, size_t count, long long offset)
    const int FF_NO_MAGIC_LINKS
    int ff_open_beneath(int directory, const char *path, int resolve)
    Py_ssize_t ff_read_beneath(int directory, const char *path, char *buffer, size_t limit, ff_signature *signature)
    int ff_stat_in(int folder, const char *name, ff_signature *signature)
    int ff_stat(const char *path, ff_signature *signature, int follow)
    void ff_note_main()
    int ff_is_main()

ff_note_main()
assert FF_MAX_PARTS == MAX_PARTS and FF_BATCH == BATCH, "the twins disagree on a size"


cdef class Epoll:
    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        if self.fd >= 0:
            close_fd(self.fd)

    def fileno(self):
        return self.fd

    def register(self, int fd, unsigned int interest):
        if ff_epoll_ctl(self.fd, EPOLL_CTL_ADD, fd, interest) < 0:
            PyErr_SetFromErrno(OSError)

    def modify(self, int fd, unsigned int interest):
        if ff_epoll_ctl(self.fd, EPOLL_CTL_MOD, fd, interest) < 0:
            PyErr_SetFromErrno(OSError)

    def close(self):
        if self.fd >= 0:
            close_fd(self.fd)
        self.fd = -1

    cpdef int wait(self) except -1:
        cdef int count = ff_epoll_wait(self.fd, self.batch, FF_BATCH)
        if count < 0:
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            count = 0
        return count

    cpdef int ready(self, int index) except -1:
        if not 0 <= index < FF_BATCH:
            raise IndexError(index)
        return self.batch[index]


cpdef double monotonic_s() noexcept:
    return monotonic()


cpdef long long wall_s() noexcept:
    return <long long>time()


cpdef tuple accept(int listen_fd):
    cdef sockaddr_storage address
    cdef socklen_t size
    cdef char *start
    cdef Py_ssize_t length
    cdef int client
    while True:
        size = sizeof(address)
        client = ff_accept(listen_fd, &address, &size)
        if client >= 0:
            length = ff_address(&address, &start)
            try:
                return client, PyBytes_FromStringAndSize(start, length)
            except BaseException:  # no memory
                close_fd(client)
                raise
        if errno == EAGAIN:
            return None
        if errno != EINTR and errno != ECONNABORTED:
            PyErr_SetFromErrno(OSError)


cpdef close(int fd):
    if close_fd(fd) < 0 and errno != EINTR:
        PyErr_SetFromErrno(OSError)


cpdef shutdown_read(int fd):
    if shutdown(fd, SHUT_RD) < 0:
        PyErr_SetFromErrno(OSError)


cpdef shutdown_write(int fd):
    if shutdown(fd, SHUT_WR) < 0:
        PyErr_SetFromErrno(OSError)


cpdef reset(int fd):
    ff_reset_on_close(fd)  # fails only where close() does
    close(fd)


cpdef bytearray copy_of(bytearray buffer, Py_ssize_t count):
    if not 0 <= count <= PyByteArray_GET_SIZE(buffer):
        raise ValueError("count must lie within the buffer")
    return PyByteArray_FromStringAndSize(PyByteArray_AS_STRING(buffer), count)


cpdef bytes slice_of(bytearray buffer, Py_ssize_t start, Py_ssize_t stop):
    if not 0 <= start <= stop <= PyByteArray_GET_SIZE(buffer):
        raise ValueError("the slice must lie within the buffer")
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer) + start, stop - start)


cpdef bytes part_of(bytes text, Py_ssize_t start, Py_ssize_t stop):
    if not 0 <= start <= stop <= len(text):
        raise ValueError("the part must lie within the bytes")
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(text) + start, stop - start)


cpdef bytes concatenate(tuple parts):
    cdef bytes part, whole
    cdef Py_ssize_t size = 0
    cdef char *end
    for part in parts:
        size += len(part)
    whole = PyBytes_FromStringAndSize(NULL, size)
    end = PyBytes_AS_STRING(whole)
    for part in parts:
        memcpy(end, PyBytes_AS_STRING(part), len(part))
        end += len(part)
    return whole


cdef inline unsigned char *begin_frame(char *place, Py_ssize_t size, int kind, int flags, long long stream_id) noexcept:
    # Writes the head of a frame (RFC 9113 §4.1) and returns the place of its payload.
    cdef unsigned char *out = <unsigned char *>place
    out[0] = <unsigned char>(size >> 16)
    out[1] = <unsigned char>(size >> 8)
    out[2] = <unsigned char>size
    out[3] = <unsigned char>kind
    out[4] = <unsigned char>flags
    out[5] = <unsigned char>(stream_id >> 24)
    out[6] = <unsigned char>(stream_id >> 16)
    out[7] = <unsigned char>(stream_id >> 8)
    out[8] = <unsigned char>stream_id
    return out + 9


cdef inline Py_ssize_t place_frame(bytearray buffer, Py_ssize_t start, Py_ssize_t size) except -1:
    # Returns the end of a frame that begins at `start`.
    if not 0 <= start <= start + 9 + size <= PyByteArray_GET_SIZE(buffer):
        raise ValueError("the frame must lie within the buffer")
    return start + 9 + size


cpdef Py_ssize_t put_frame(
    bytearray buffer, Py_ssize_t start, int kind, int flags, long long stream_id, bytes first, bytes second
) except -1:
    cdef Py_ssize_t head = len(first), size = head + len(second)
    cdef Py_ssize_t end = place_frame(buffer, start, size)
    cdef unsigned char *out = begin_frame(PyByteArray_AS_STRING(buffer) + start, size, kind, flags, stream_id)
    memcpy(out, PyBytes_AS_STRING(first), head)
    memcpy(out + head, PyBytes_AS_STRING(second), size - head)
    return end


cpdef Py_ssize_t put_data_frame(
    bytearray buffer, Py_ssize_t start, int flags, long long stream_id, bytes content, Py_ssize_t first, Py_ssize_t last
) except -1:
    if not 0 <= first <= last <= len(content):
        raise ValueError("the piece must lie within the content")
    cdef Py_ssize_t end = place_frame(buffer, start, last - first)
    cdef unsigned char *out = begin_frame(PyByteArray_AS_STRING(buffer) + start, last - first, 0, flags, stream_id)
    memcpy(out, PyBytes_AS_STRING(content) + first, last - first)
    return end


cdef inline bytes make_room(Py_ssize_t size, Py_ssize_t most):
    # Returns memory for frames of at most `most` bytes each.
    if not (size > 0 and most > 0 and (size - 1) // most < FF_MAX_PARTS):
        raise ValueError("the content must make 1 to 64 frames")
    return PyBytes_FromStringAndSize(NULL, size + 9 * ((size - 1) // most + 1))


cpdef bytes make_data_frames(int flags, long long stream_id, bytes content, Py_ssize_t most):
    cdef Py_ssize_t size = len(content), start = 0, count
    cdef bytes frames = make_room(size, most)
    cdef char *out = PyBytes_AS_STRING(frames)
    while start < size:
        count = most if most < size - start else size - start
        begin_frame(out, count, 0, flags if start + count == size else 0, stream_id)
        memcpy(out + 9, PyBytes_AS_STRING(content) + start, count)
        out += 9 + count
        start += count
    return frames


cpdef bytes read_data_frames(
    int file_fd, long long offset, Py_ssize_t count, bint may_wait, int flags, long long stream_id, Py_ssize_t most
):
    cdef bytes frames = make_room(count, most)
    cdef iovec[64] places  # FF_MAX_PARTS
    cdef int used = 0
    cdef Py_ssize_t got, done = 0, size
    cdef char *out = PyBytes_AS_STRING(frames)
    while done < count:
        size = most if most < count - done else count - done
        places[used].iov_base = out + done + 9 * (used + 1)
        places[used].iov_len = size
        done += size
        used += 1
    while True:
        with nogil:  # the disk can block here
            got = ff_read_places(file_fd, places, used, offset, may_wait)
        if got >= 0:
            break
        if errno == EAGAIN:
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
    done = 0
    while done < got:
        size = most if most < got - done else got - done
        begin_frame(out, size, 0, flags if done + size == count else 0, stream_id)
        out += 9 + size
        done += size
    return frames if got == count else frames[:out - PyBytes_AS_STRING(frames)]


cpdef Py_ssize_t recv_into(int fd, bytearray buffer) except -2:
    cdef Py_ssize_t count
    while True:
        count = recv(fd, PyByteArray_AS_STRING(buffer), PyByteArray_GET_SIZE(buffer), MSG_DONTWAIT)
        if count >= 0:
            return count
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cdef struct Message:  # what leaves in one call
    iovec[64] vectors  # FF_MAX_PARTS
    Py_ssize_t count
    size_t size
    int flags


cdef inline void begin(Message *message) noexcept:
    message.count = 0
    message.size = 0
    message.flags = MSG_NOSIGNAL | MSG_DONTWAIT


cdef inline bint add(Message *message, object part) noexcept:
    # Returns whether there is room for more. A part that is not a bytes object is a file that follows.
    if type(part) is not bytes:
        message.flags |= MSG_MORE
        return False
    message.vectors[message.count].iov_base = PyBytes_AS_STRING(part)
    message.vectors[message.count].iov_len = PyBytes_GET_SIZE(part)
    message.size += PyBytes_GET_SIZE(part)
    message.count += 1
    return message.count < FF_MAX_PARTS


cdef Py_ssize_t send_message(int fd, Message *message) except -2:
    cdef char copy[8192]
    cdef size_t copied = 0
    cdef Py_ssize_t i, sent
    cdef msghdr header
    if message.size <= sizeof(copy) and message.count > 1:
        # Copying into one vector costs less than the kernel's work for several (measured: 2 % of a 1 KiB response).
        for i in range(message.count):
            memcpy(copy + copied, message.vectors[i].iov_base, message.vectors[i].iov_len)
            copied += message.vectors[i].iov_len
        message.vectors[0].iov_base = copy
        message.vectors[0].iov_len = copied
        message.count = 1
    while True:
        # Without a message header, the kernel has less to copy and to check.
        if message.count == 1:
            sent = send(fd, message.vectors[0].iov_base, message.vectors[0].iov_len, message.flags)
        else:
            memset(&header, 0, sizeof(header))
            header.msg_iov = message.vectors
            header.msg_iovlen = message.count
            sent = sendmsg(fd, &header, message.flags)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t send_parts(int fd, list parts, Py_ssize_t skip) except -2:
    cdef Message message
    begin(&message)
    for part in parts:
        if not add(&message, part):
            break
    if message.count == 0 or skip < 0 or <size_t>skip > message.vectors[0].iov_len:
        raise ValueError("skip must lie within the first part, and that be bytes")
    message.vectors[0].iov_base = <char *>message.vectors[0].iov_base + skip
    message.vectors[0].iov_len -= skip
    return send_message(fd, &message)


cpdef Py_ssize_t send_response(int fd, bytes head, bytes tail, tuple parts) except -2:
    cdef Message message
    begin(&message)
    add(&message, head)
    add(&message, tail)
    for part in parts:
        if not add(&message, part):
            break
    return send_message(fd, &message)


cpdef Py_ssize_t send_file(int fd, int file_fd, long long offset, Py_ssize_t count) except -2:
    cdef Py_ssize_t sent
    while True:
        with nogil:  # the disk can block here
            sent = ff_sendfile(fd, file_fd, offset, count)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t copy_file(int fd, int file_fd, long long offset, Py_ssize_t count) except -2:
    cdef Py_ssize_t sent
    while True:
        with nogil:  # the disk can block here
            sent = ff_copy_file(fd, file_fd, offset, count)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cdef Py_ssize_t read_memory(int file_fd, char *buffer, Py_ssize_t count, long long offset) except -2:
    cdef Py_ssize_t got
    while True:
        with nogil:  # the disk can block here, if the file system cannot tell
            got = ff_read_memory(file_fd, buffer, count, offset)
        if got >= 0:
            return got
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cdef Py_ssize_t read_file(int file_fd, char *buffer, Py_ssize_t count, long long offset) except -2:
    cdef Py_ssize_t got
    while True:
        with nogil:  # the disk can block here
            got = pread(file_fd, buffer, count, offset)
        if got >= 0:
            return got
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


def read_cached(int file_fd, long long offset, Py_ssize_t count):
    cdef bytes content = PyBytes_FromStringAndSize(NULL, count)
    cdef Py_ssize_t got = read_memory(file_fd, PyBytes_AS_STRING(content), count, offset)
    if got < 0:
        return None
    return content if got == count else content[:got]


def is_cached(int file_fd, long long offset, long long count, long long step):
    cdef char byte
    cdef long long last = offset + count - 1
    if step <= 0:
        raise ValueError("step must be positive")
    while True:
        if ff_read_cached(file_fd, &byte, 1, offset) < 0:
            return errno != EAGAIN
        if offset >= last:
            return True
        offset = offset + step if offset + step < last else last


def read_ahead(int file_fd, long long offset, long long count, long long more):
    cdef long long step = READ_AHEAD_STEP
    cdef int failed
    with nogil:  # the disk blocks here
        failed = ff_read_ahead(file_fd, offset, count, more, step)
    if failed:
        PyErr_SetFromErrno(OSError)


def open_beneath(int directory_fd, bytes path):
    cdef const char *name = path
    cdef int fd
    if <size_t>PyBytes_GET_SIZE(path) != strlen(name):
        raise ValueError("embedded null byte")
    while True:
        with nogil:  # the disk can block here
            fd = ff_open_beneath(directory_fd, name, FF_NO_MAGIC_LINKS)
        if fd >= 0:
            return fd
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef tuple read_beneath(int directory_fd, bytes path, Py_ssize_t limit):
    cdef const char *name = path
    cdef char buffer[65536]
    cdef ff_signature signature
    cdef Py_ssize_t size
    if limit > <Py_ssize_t>sizeof(buffer):
        limit = sizeof(buffer)
    if limit < 0 or <size_t>PyBytes_GET_SIZE(path) != strlen(name):
        return None
    with nogil:  # the disk can block here
        size = ff_read_beneath(directory_fd, name, buffer, limit, &signature)
    if size < 0:
        return None
    return (
        PyBytes_FromStringAndSize(<char *>&signature, sizeof(signature)),
        PyBytes_FromStringAndSize(buffer, size),
        signature.mtime_ns,
        signature.ctime_ns,
    )


cdef inline int look(const char *name, ff_signature *signature, bint follow) noexcept:
    # The event loop keeps the GIL: what it looks at in each batch is in the kernel's caches, and letting go of it costs
    # a sixth more. Another thread looks at a disk that can hang (site/remote.py).
    cdef int failed
    if ff_is_main():
        return ff_stat(name, signature, follow)
    with nogil:
        failed = ff_stat(name, signature, follow)
    return failed


cdef inline bytes signature_of_failure():
    return b"" if errno == ENOENT or errno == ENOTDIR else b"!"


cpdef bytes read_signature(bytes path, bint follow=True):
    cdef const char *name = path
    cdef ff_signature signature
    if look(name, &signature, follow) == 0:
        return PyBytes_FromStringAndSize(<char *>&signature, sizeof(signature))
    return signature_of_failure()


cpdef bint has_signature_in(int folder_fd, bytes path, Py_ssize_t start, bytes signature) except -1:
    cdef const char *name = path
    cdef const char *expected = signature
    cdef ff_signature found
    cdef int failed
    if not 0 <= start <= PyBytes_GET_SIZE(path):
        raise ValueError("start must lie within the path")
    if PyBytes_GET_SIZE(signature) != sizeof(found):
        return False
    if ff_is_main():  # as look() does
        failed = ff_stat_in(folder_fd, name + start, &found)
    else:
        with nogil:
            failed = ff_stat_in(folder_fd, name + start, &found)
    return failed == 0 and memcmp(expected, &found, sizeof(found)) == 0


cpdef bint has_signature(bytes path, bytes signature) except -1:
    cdef const char *name = path
    cdef const char *expected = signature
    cdef ff_signature found
    if look(name, &found, True) == 0:
        return PyBytes_GET_SIZE(signature) == sizeof(found) and memcmp(expected, &found, sizeof(found)) == 0
    return signature == signature_of_failure()
