/* Preloaded into a server: one system call of its compiled kernel fails, or moves one byte, when its turn comes.

   The plan is shared memory, a row per call, which test_kernel_faults.py writes and reads. Only calls of the library
   _sendfile are looked at: those of the interpreter, of the event loop and of libc itself are as they are. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* In the order of CALLS in test_kernel_faults.py. */
enum {
    RECV, SEND, SENDMSG, SENDFILE, ACCEPT4, EPOLL_WAIT, EPOLL_CTL, PREADV2, PREAD, OPENAT2, STAT, CLOSE,
    CALLS
};
enum { SHORT = -1 };

typedef struct {
    atomic_llong count; /* calls so far */
    int64_t first;      /* the turn of the first that fails; 0: none does */
    int64_t last;       /* and of the last */
    int64_t error;      /* the errno, or SHORT */
} row;

static row *plan;

__attribute__((constructor)) static void open_plan(void)
{
    const char *path = getenv("SYSCALL_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    plan = mmap(NULL, CALLS * sizeof(row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (plan == MAP_FAILED)
        plan = NULL;
    syscall(SYS_close, fd);
}

/* The errno that this call is to fail with, SHORT, or 0. */
static int fault(int call, void *caller)
{
    Dl_info from;
    if (!plan || !dladdr(caller, &from) || !from.dli_fname || !strstr(from.dli_fname, "/_sendfile."))
        return 0;
    int64_t turn = atomic_fetch_add(&plan[call].count, 1) + 1;
    if (turn < plan[call].first || turn > plan[call].last || !plan[call].first)
        return 0;
    return (int)plan[call].error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR_SHORTEN(call, count, nothing)                   \
    do {                                                        \
        int error = fault(call, __builtin_return_address(0));   \
        if (error > 0) {                                        \
            errno = error;                                      \
            return nothing;                                     \
        }                                                       \
        if (error == SHORT && (count) > 1)                      \
            (count) = 1;                                        \
    } while (0)
#define FAIL(call, nothing)                                     \
    do {                                                        \
        size_t whole = 0;                                       \
        FAIL_OR_SHORTEN(call, whole, nothing);                  \
    } while (0)

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    FAIL_OR_SHORTEN(RECV, size, -1);
    return REAL(recv)(fd, buffer, size, flags);
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    FAIL_OR_SHORTEN(SEND, size, -1);
    return REAL(send)(fd, buffer, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr first = *message;
    struct iovec one = message->msg_iov[0];
    size_t whole = 2;
    FAIL_OR_SHORTEN(SENDMSG, whole, -1);
    if (whole == 2)
        return REAL(sendmsg)(fd, message, flags);
    one.iov_len = one.iov_len > 0;
    first.msg_iov = &one;
    first.msg_iovlen = 1;
    return REAL(sendmsg)(fd, &first, flags);
}

ssize_t sendfile64(int fd, int file, off64_t *offset, size_t count)
{
    FAIL_OR_SHORTEN(SENDFILE, count, -1);
    return syscall(SYS_sendfile, fd, file, offset, count);
}

ssize_t sendfile(int fd, int file, off_t *offset, size_t count)
{
    FAIL_OR_SHORTEN(SENDFILE, count, -1);
    return syscall(SYS_sendfile, fd, file, offset, count);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    FAIL(ACCEPT4, -1);
    return (int)syscall(SYS_accept4, fd, address, size, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    FAIL(EPOLL_WAIT, -1);
    return REAL(epoll_wait)(fd, events, most, timeout);
}

int epoll_ctl(int fd, int operation, int watched, struct epoll_event *event)
{
    FAIL(EPOLL_CTL, -1);
    return REAL(epoll_ctl)(fd, operation, watched, event);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset)
{
    FAIL_OR_SHORTEN(PREAD, count, -1);
    return REAL(pread64)(fd, buffer, count, offset);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset)
{
    FAIL_OR_SHORTEN(PREAD, count, -1);
    return REAL(pread64)(fd, buffer, count, offset);
}

static int fail_stat(void *caller)
{
    errno = fault(STAT, caller);
    return errno;
}

int stat64(const char *path, struct stat64 *status)
{
    return fail_stat(__builtin_return_address(0)) ? -1 : REAL(stat64)(path, status);
}

int stat(const char *path, struct stat *status)
{
    return fail_stat(__builtin_return_address(0)) ? -1 : REAL(stat)(path, status);
}

/* Linux closes the descriptor whatever it says. */
int close(int fd)
{
    int error = fault(CLOSE, __builtin_return_address(0));
    long closed = syscall(SYS_close, fd);
    if (error <= 0)
        return (int)closed;
    errno = error;
    return -1;
}

long syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_openat2)
        FAIL(OPENAT2, -1);
    struct iovec one;
    if (number == SYS_preadv2) {
        one = *(struct iovec *)a[1];
        FAIL_OR_SHORTEN(PREADV2, one.iov_len, -1);
        a[1] = (long)&one;
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
