/* The system calls of the request path as _sendfile.pyx calls them: one function each, 0 or a count, -1 with errno. */

#ifndef FASTFILE_SENDFILE_H
#define FASTFILE_SENDFILE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#else
struct epoll_event { uint32_t events; union { int fd; } data; };
enum { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CLOEXEC };
static int epoll_create1(int flags) { (void)flags; errno = ENOSYS; return -1; }
static int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{ (void)epoll; (void)operation; (void)fd; (void)event; errno = ENOSYS; return -1; }
static int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{ (void)epoll; (void)events; (void)most; (void)timeout_ms; errno = ENOSYS; return -1; }
#endif

#ifndef MSG_MORE
#define MSG_MORE 0
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum { FF_MAX_PARTS = 64, FF_BATCH = 256 };

static int ff_epoll_ctl(int epoll, int operation, int fd, uint32_t interest)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = interest;
    event.data.fd = fd;
    return epoll_ctl(epoll, operation, fd, &event);
}

static int ff_epoll_wait(int epoll, int *ready, int most)
{
    struct epoll_event events[FF_BATCH];
    int count = epoll_wait(epoll, events, most, 0);
    for (int i = 0; i < count; i++)
        ready[i] = events[i].data.fd;
    return count;
}

static int ff_accept(int fd, struct sockaddr_storage *address, socklen_t *size)
{
#if defined(__linux__)
    return accept4(fd, (struct sockaddr *)address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int client = accept(fd, (struct sockaddr *)address, size);
    if (client >= 0) {
        fcntl(client, F_SETFD, FD_CLOEXEC);
        fcntl(client, F_SETFL, O_NONBLOCK);
    }
    return client;
#endif
}

/* The bytes of the address: 4 for IPv4, 16 for IPv6, none for other families. */
static Py_ssize_t ff_address(struct sockaddr_storage *address, char **bytes)
{
    *bytes = (char *)address;
    if (address->ss_family == AF_INET) {
        *bytes = (char *)&((struct sockaddr_in *)address)->sin_addr;
        return 4;
    }
    if (address->ss_family == AF_INET6) {
        *bytes = (char *)&((struct sockaddr_in6 *)address)->sin6_addr;
        return 16;
    }
    return 0;
}

/* A replacement for sendfile if a file system or a filter refuses it: one buffer at a time. */
static ssize_t ff_copy_file(int fd, int file, int64_t offset, size_t count)
{
    char buffer[65536];
    ssize_t got = pread(file, buffer, count < sizeof buffer ? count : sizeof buffer, (off_t)offset);
    return got <= 0 ? got : send(fd, buffer, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t ff_sendfile(int fd, int file, int64_t offset, size_t count)
{
#if defined(__linux__)
    off_t position = (off_t)offset;
    return sendfile(fd, file, &position, count);
#elif defined(__APPLE__)
    off_t length = (off_t)count;
    if (sendfile(file, fd, (off_t)offset, &length, NULL, 0) < 0 && length == 0)
        return -1;  /* with length > 0, the next call fails the same way */
    return (ssize_t)length;
#else
    return ff_copy_file(fd, file, offset, count);
#endif
}

/* Read from memory: EAGAIN if that would have to wait for the disk, another error if the system cannot tell. */
static ssize_t ff_read_cached(int file, void *buffer, size_t count, int64_t offset)
{
#if defined(__linux__) && defined(SYS_preadv2)
    struct iovec vector = { buffer, count };
    /* The offset is passed in two halves; a 64-bit kernel uses only the lower one. */
    return syscall(SYS_preadv2, file, &vector, 1, (long)offset, (long)(offset >> 31 >> 1), 8 /* RWF_NOWAIT */);
#else
    (void)file; (void)buffer; (void)count; (void)offset;
    errno = ENOSYS;
    return -1;
#endif
}

/* Read from memory, or wait for the disk where the system or the file system (tmpfs, for one) cannot tell.
   EAGAIN: the bytes are not in memory. */
static ssize_t ff_read_memory(int file, void *buffer, size_t count, int64_t offset)
{
    ssize_t got = ff_read_cached(file, buffer, count, offset);
    return got < 0 && errno != EAGAIN ? pread(file, buffer, count, (off_t)offset) : got;
}

/* The same into several places, one after the other; with ``may_wait`` from the disk too. */
static ssize_t ff_read_places(int file, const struct iovec *places, int count, int64_t offset, int may_wait)
{
    ssize_t total = 0;
#if defined(__linux__) && defined(SYS_preadv2)
    int flags = may_wait ? 0 : 8;  /* RWF_NOWAIT */
    total = syscall(SYS_preadv2, file, places, count, (long)offset, (long)(offset >> 31 >> 1), flags);
    if (total >= 0 || errno == EAGAIN || errno == EINTR)
        return total;
    total = 0;
#else
    (void)may_wait;
#endif
    for (int i = 0; i < count; i++) {
        ssize_t got = pread(file, places[i].iov_base, places[i].iov_len, (off_t)(offset + total));
        if (got < 0)
            return total > 0 ? total : got;
        total += got;
        if ((size_t)got < places[i].iov_len)
            break;
    }
    return total;
}

static int ff_read_ahead(int file, int64_t offset, int64_t count, int64_t more, int64_t step)
{
    char byte;
#if defined(POSIX_FADV_WILLNEED)
    for (int64_t position = offset; position < offset + count + more; position += step)
        posix_fadvise(file, (off_t)position, (off_t)step, POSIX_FADV_WILLNEED);
#else
    (void)more; (void)step;
#endif
    for (int64_t position = offset; position < offset + count - 1; position += step)
        if (pread(file, &byte, 1, (off_t)position) < 0)
            return -1;
    return pread(file, &byte, 1, (off_t)(offset + count - 1)) < 0 ? -1 : 0;
}

enum { FF_NO_MAGIC_LINKS = 0x02, FF_NO_LINKS = 0x04 };  /* RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS */

static int ff_open_beneath(int directory, const char *path, int resolve)
{
#if defined(SYS_openat2)
    /* struct open_how of linux/openat2.h, which older headers lack */
    struct { uint64_t flags, mode, resolve; } how = {
        O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, 0x08 /* RESOLVE_BENEATH */ | (uint64_t)resolve };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
#else
    (void)directory; (void)path; (void)resolve;
    errno = ENOSYS;
    return -1;
#endif
}

/* The five numbers of make_signature(), packed as it packs them. */
typedef struct { uint64_t device, inode; int64_t size; uint64_t mtime_ns, ctime_ns; } ff_signature;

static void ff_sign(const struct stat *status, ff_signature *signature)
{
#if defined(__APPLE__)
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif
    signature->device = (uint64_t)status->st_dev;
    signature->inode = (uint64_t)status->st_ino;
    signature->size = (int64_t)status->st_size;
    signature->mtime_ns = (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec;
    signature->ctime_ns = (uint64_t)status->st_ctim.tv_sec * 1000000000u + (uint64_t)status->st_ctim.tv_nsec;
}

static int ff_stat(const char *path, ff_signature *signature, int follow)
{
    struct stat status;
    if ((follow ? stat(path, &status) : lstat(path, &status)) < 0)
        return -1;
    ff_sign(&status, signature);
    return 0;
}

static int ff_stat_in(int folder, const char *name, ff_signature *signature)
{
    struct stat status;
    if (fstatat(folder, name, &status, 0) < 0)
        return -1;
    ff_sign(&status, signature);
    return 0;
}

/* Open a file folder by folder, where openat2 is missing. Follows no link and no "..". */
static int ff_walk_beneath(int directory, const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
    char name[256];
    int fd = directory;
    for (;;) {
        size_t length = strcspn(path, "/");
        int inner = -1;
        if (length > 0 && length < sizeof name && strspn(path, ".") < length) {
            memcpy(name, path, length);
            name[length] = 0;
            inner = openat(fd, name, flags);
        }
        if (fd != directory)
            close(fd);
        fd = inner;
        if (fd < 0 || path[length] == 0)
            return fd;
        path += length + 1;
    }
}

/* Read a whole small file that is in memory. Returns its size; -1 if it is not a regular file, if a link leads to it, or
   if it changed meanwhile. */
static Py_ssize_t ff_read_beneath(int directory, const char *path, char *buffer, size_t limit, ff_signature *signature)
{
    struct stat status;
    ff_signature after;
    Py_ssize_t size = -1;
    int fd = ff_open_beneath(directory, path, FF_NO_LINKS);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = ff_walk_beneath(directory, path);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= 0 && (size_t)status.st_size <= limit) {
        ff_sign(&status, signature);
        size = (Py_ssize_t)status.st_size;
        if (size > 0 && ff_read_memory(fd, buffer, (size_t)size, 0) != size)
            size = -1;
        if (fstat(fd, &status) < 0)
            size = -1;
        ff_sign(&status, &after);
        if (memcmp(signature, &after, sizeof after) != 0)
            size = -1;
    }
    close(fd);
    return size;
}

/* The thread that imported the module, which is that of the event loop. */
static pthread_t ff_main;

static void ff_note_main(void)
{
    ff_main = pthread_self();
}

static int ff_is_main(void)
{
    return pthread_equal(ff_main, pthread_self());
}

/* Make close() send RST instead of FIN: the client must not mistake a cut body for a whole one. */
static int ff_reset_on_close(int fd)
{
    struct linger at_once = { 1, 0 };
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

#endif
