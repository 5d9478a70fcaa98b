cpdef double monotonic_s() noexcept
cpdef long long wall_s() noexcept
cpdef tuple accept(int listen_fd)
cpdef close(int fd)
cpdef shutdown_read(int fd)
cpdef shutdown_write(int fd)
cpdef reset(int fd)
cpdef bytearray copy_of(bytearray buffer, Py_ssize_t count)
cpdef bytes slice_of(bytearray buffer, Py_ssize_t start, Py_ssize_t stop)
cpdef bytes part_of(bytes text, Py_ssize_t start, Py_ssize_t stop)
cpdef bytes concatenate(tuple parts)
cpdef Py_ssize_t put_frame(
    bytearray buffer, Py_ssize_t start, int kind, int flags, long long stream_id, bytes first, bytes second
) except -1
cpdef Py_ssize_t put_data_frame(
    bytearray buffer, Py_ssize_t start, int flags, long long stream_id, bytes content, Py_ssize_t first, Py_ssize_t last
) except -1
cpdef bytes make_data_frames(int flags, long long stream_id, bytes content, Py_ssize_t most)
cpdef bytes read_data_frames(
    int file_fd, long long offset, Py_ssize_t count, bint may_wait, int flags, long long stream_id, Py_ssize_t most
)
cpdef Py_ssize_t recv_into(int fd, bytearray buffer) except -2
cpdef Py_ssize_t send_parts(int fd, list parts, Py_ssize_t skip) except -2
cpdef Py_ssize_t send_response(int fd, bytes head, bytes tail, tuple parts) except -2
cpdef Py_ssize_t send_file(int fd, int file_fd, long long offset, Py_ssize_t count) except -2
cpdef Py_ssize_t copy_file(int fd, int file_fd, long long offset, Py_ssize_t count) except -2
cdef Py_ssize_t read_memory(int file_fd, char *buffer, Py_ssize_t count, long long offset) except -2  # -1: would wait
cdef Py_ssize_t read_file(int file_fd, char *buffer, Py_ssize_t count, long long offset) except -2
cpdef tuple read_beneath(int directory_fd, bytes path, Py_ssize_t limit)
cpdef bytes read_signature(bytes path, bint follow=*)
cpdef bint has_signature_in(int folder_fd, bytes path, Py_ssize_t start, bytes signature) except -1
cpdef bint has_signature(bytes path, bytes signature) except -1

cdef class Epoll:
    cdef int fd
    cdef int[256] batch
    cpdef int wait(self) except -1
    cpdef int ready(self, int index) except -1
