/* The floor: what Linux itself charges for a response, as an epoll loop that parses nothing and opens nothing.
 *
 *   floor PORT SIZE [STATUS [close]]
 *
 * A request is a CRLFCRLF in the input; each gets the same head and SIZE bytes: from memory, in one writev for all the
 * requests of one recv, up to 64 KiB; by send(MSG_MORE) and sendfile from a temporary file above. "close" closes after
 * one response. Errors of a connection close it; errors of the set-up end the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MEMORY_MAX = 64 * 1024, FDS = 65536, EVENTS = 256, BATCH = 32 };

struct connection { int matched, due, writing; size_t sent; };

static struct connection connections[FDS];
static char head[512], *response;      /* response: head and, up to MEMORY_MAX, body */
static size_t head_size, size, total;  /* total: one whole response on the wire */
static int epoll_fd, listen_fd, file_fd = -1, closing;

static void check(int ok, const char *what) { if (!ok) { perror(what); exit(1); } }

static void watch(int fd, int op, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    check(epoll_ctl(epoll_fd, op, fd, &event) == 0, "epoll_ctl");
}

/* Count the requests that end in data[0..n), going on from what the last segment matched. */
static int count_requests(struct connection *c, const char *data, ssize_t n) {
    int ends = 0, matched = c->matched;
    for (ssize_t i = 0; i < n; i++) {
        if (data[i] == "\r\n\r\n"[matched]) { if (++matched == 4) { ends++; matched = 0; } }
        else matched = data[i] == '\r';
    }
    c->matched = matched;
    return ends;
}

/* Send what the socket takes: bytes sent, or -1 with errno. */
static ssize_t send_some(int fd, struct connection *c) {
    if (file_fd < 0) {
        struct iovec parts[BATCH];
        int n = c->due < BATCH ? c->due : BATCH;
        for (int i = 0; i < n; i++) parts[i] = (struct iovec){response, total};
        parts[0] = (struct iovec){response + c->sent, total - c->sent};
        return n == 1 ? send(fd, parts[0].iov_base, parts[0].iov_len, 0) : writev(fd, parts, n);
    }
    if (c->sent < head_size) return send(fd, response + c->sent, head_size - c->sent, MSG_MORE);
    off_t offset = (off_t)(c->sent - head_size);
    return sendfile(fd, file_fd, &offset, total - c->sent);
}

/* Answer all that is due. 1: all sent, 0: the socket is full, -1: closed. */
static int answer(int fd, struct connection *c) {
    while (c->due) {
        ssize_t n = send_some(fd, c);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) return 0;
            close(fd);
            return -1;
        }
        c->sent += (size_t)n;
        c->due -= (int)(c->sent / total);
        c->sent %= total;
        if (closing && !c->due) { close(fd); return -1; }
    }
    return 1;
}

/* One turn of a connection that epoll (or accept) says is ready; registered: epoll knows it already. */
static void turn(int fd, int registered) {
    static char data[65536];
    struct connection *c = &connections[fd];
    if (!c->writing) {
        ssize_t n = recv(fd, data, sizeof data, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) { close(fd); return; }
        if (n > 0) c->due += count_requests(c, data, n);
    }
    int all_sent = answer(fd, c);
    if (all_sent < 0) return;
    int writing = !all_sent;
    if (!registered || writing != c->writing)
        watch(fd, registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, writing ? EPOLLOUT : EPOLLIN);
    c->writing = writing;
}

static void set_up(int port, const char *status) {
    head_size = (size_t)snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nServer: floor\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"0123456789abcdef\"\r\nContent-Length: %zu\r\n%s\r\n",
        status, size, closing ? "Connection: close\r\n" : "");
    total = head_size + size;
    response = malloc(total);
    check(response != NULL, "malloc");
    memset(response, 'x', total);
    memcpy(response, head, head_size);
    if (size > MEMORY_MAX) {
        char name[] = "/tmp/floor-XXXXXX";
        check((file_fd = mkstemp(name)) >= 0, "mkstemp");
        unlink(name);
        for (size_t done = 0; done < size;) {
            ssize_t n = write(file_fd, response + head_size + done, size - done);
            check(n > 0, "write");
            done += (size_t)n;
        }
    }
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Accepted sockets inherit it. Without it Nagle holds back the last part of a large body, at thrice the cost. */
    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    check(bind(listen_fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    check(listen(listen_fd, 4096) == 0, "listen");
    check((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
    watch(listen_fd, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: floor PORT SIZE [STATUS [close]]\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);
    size = strtoul(argv[2], NULL, 10);
    closing = argc > 4;
    set_up(atoi(argv[1]), argc > 3 ? argv[3] : "200 OK");
    for (struct epoll_event events[EVENTS];;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listen_fd) { turn(fd, 1); continue; }
            while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                if (fd >= FDS) { close(fd); continue; }
                connections[fd] = (struct connection){0};
                turn(fd, 0);
            }
        }
    }
}
