/* TLS by the OpenSSL that Python's module _ssl has loaded, as openssl.pyx calls it.

No header and no library of OpenSSL is needed: functions are found by name in a library that is in memory. A connection
of OpenSSL (SSL) reads from and writes to a "wire": a BIO in memory, whose functions need no GIL. */

#ifndef FASTFILE_OPENSSL_H
#define FASTFILE_OPENSSL_H

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum {
    FF_RECORD = 16 * 1024,         /* the most plaintext in one record (RFC 8446 5.1) */
    FF_OVERHEAD = 256,             /* of a record: header, tag and padding (RFC 8446 5.2) */
    FF_OUTPUT = 5 * (FF_RECORD + FF_OVERHEAD),
    FF_MOST_QUIET = 64,            /* records without content that a client may send, as those that change keys */
    FF_ERROR = -3,                 /* a result; OpenSSL's error queue says more */
    /* OpenSSL's constants */
    FF_WANT_READ = 2,              /* SSL_ERROR_WANT_READ */
    FF_ZERO_RETURN = 6,            /* SSL_ERROR_ZERO_RETURN */
    FF_CTRL_FLUSH = 11,            /* BIO_CTRL_FLUSH */
    FF_RETRY_READ = 1 | 8,         /* BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY */
    FF_RETRY_ANY = 15,
    FF_SOURCE_SINK = 0x0400        /* BIO_TYPE_SOURCE_SINK */
};

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef void (*ff_info)(const SSL *ssl, int where, int result);

#define FF_FUNCTIONS(X) \
    X(unsigned long, OpenSSL_version_num, (void)) \
    X(uint64_t, SSL_CTX_get_options, (const SSL_CTX *)) \
    X(void, SSL_CTX_set_info_callback, (SSL_CTX *, ff_info)) \
    X(SSL_CTX *, SSL_get_SSL_CTX, (const SSL *)) \
    X(void, SSL_set_bio, (SSL *, BIO *, BIO *)) \
    X(int, SSL_do_handshake, (SSL *)) \
    X(int, SSL_version, (const SSL *)) \
    X(void, SSL_get0_alpn_selected, (const SSL *, const unsigned char **, unsigned int *)) \
    X(int, SSL_read_ex, (SSL *, void *, size_t, size_t *)) \
    X(int, SSL_write_ex, (SSL *, const void *, size_t, size_t *)) \
    X(int, SSL_get_error, (const SSL *, int)) \
    X(int, SSL_shutdown, (SSL *)) \
    X(void, ERR_clear_error, (void)) \
    X(unsigned long, ERR_peek_last_error, (void)) \
    X(void, ERR_error_string_n, (unsigned long, char *, size_t)) \
    X(int, BIO_get_new_index, (void)) \
    X(BIO_METHOD *, BIO_meth_new, (int, const char *)) \
    X(int, BIO_meth_set_read_ex, (BIO_METHOD *, int (*)(BIO *, char *, size_t, size_t *))) \
    X(int, BIO_meth_set_write_ex, (BIO_METHOD *, int (*)(BIO *, const char *, size_t, size_t *))) \
    X(int, BIO_meth_set_ctrl, (BIO_METHOD *, long (*)(BIO *, int, long, void *))) \
    X(int, BIO_meth_set_destroy, (BIO_METHOD *, int (*)(BIO *))) \
    X(BIO *, BIO_new, (const BIO_METHOD *)) \
    X(int, BIO_free, (BIO *)) \
    X(int, BIO_up_ref, (BIO *)) \
    X(void, BIO_set_data, (BIO *, void *)) \
    X(void *, BIO_get_data, (BIO *)) \
    X(void, BIO_set_init, (BIO *, int)) \
    X(void, BIO_set_flags, (BIO *, int)) \
    X(void, BIO_clear_flags, (BIO *, int))

#define FF_DECLARE(type, name, arguments) type (*name) arguments;
typedef struct { FF_FUNCTIONS(FF_DECLARE) } ff_functions;
static ff_functions ff;
static BIO_METHOD *ff_method;

/* Memory that all connections of an event loop share. It holds data of one of them, between two calls of the same. */
typedef struct {
    const void *writer;            /* whose plaintext */
    const char *content;           /* it: ``plain``, or the caller's memory as long as nothing follows */
    size_t plain_size;
    char plain[FF_RECORD];
    const void *owner;             /* whose ciphertext */
    size_t output_size, capacity;
    char *output;
} ff_shared;

/* The ends of a connection. It belongs to its BIO, which OpenSSL keeps as long as the connection. */
typedef struct {
    ff_shared *shared;             /* NULL when the channel is gone */
    const char *input;             /* ciphertext for OpenSSL: the caller's during a call, then in ``kept`` */
    size_t input_size;
    char *kept;
    char *held;                    /* ciphertext that has not left, from held_start on */
    size_t held_size, held_start;
    size_t gone;                   /* the ciphertext before ``held`` that was encrypted with it and has left */
    unsigned char head[5];         /* of the record that OpenSSL reads, of which ``body`` bytes are still to come */
    int head_size;
    size_t body;
    int is_open;                   /* the handshake is done */
    int quiet;                     /* records since then, without those with content */
} ff_wire;

/* Count the records that begin in what OpenSSL reads. */
static void ff_count_records(ff_wire *wire, const char *data, size_t size)
{
    while (size > 0) {
        size_t count = size < wire->body ? size : wire->body;
        if (count == 0) {
            count = 1;
            wire->head[wire->head_size++] = (unsigned char)*data;
            if (wire->head_size == (int)sizeof wire->head) {
                wire->body = (size_t)(wire->head[3] << 8 | wire->head[4]);
                wire->head_size = 0;
                wire->quiet++;
            }
        } else {
            wire->body -= count;
        }
        data += count;
        size -= count;
    }
}

static int ff_wire_read(BIO *bio, char *data, size_t size, size_t *count)
{
    ff_wire *wire = ff.BIO_get_data(bio);
    if (wire->input_size == 0 || (wire->is_open && wire->quiet > FF_MOST_QUIET)) {
        ff.BIO_set_flags(bio, FF_RETRY_READ);
        *count = 0;
        return 0;
    }
    if (size > wire->input_size)
        size = wire->input_size;
    memcpy(data, wire->input, size);
    ff_count_records(wire, data, size);
    wire->input += size;
    wire->input_size -= size;
    ff.BIO_clear_flags(bio, FF_RETRY_ANY);
    *count = size;
    return 1;
}

/* Return room for ciphertext of a connection; NULL if there is no memory. */
static char *ff_room(ff_wire *wire, size_t size)
{
    ff_shared *shared = wire->shared;
    if (shared == NULL)
        return NULL;
    if (shared->owner != wire) {   /* what is in there belongs to a connection that failed */
        shared->owner = wire;
        shared->output_size = 0;
    }
    if (size > shared->capacity - shared->output_size) {
        size_t capacity = shared->output_size + size + FF_RECORD;
        char *output = realloc(shared->output, capacity);
        if (output == NULL)
            return NULL;
        shared->output = output;
        shared->capacity = capacity;
    }
    return shared->output + shared->output_size;
}

static int ff_wire_write(BIO *bio, const char *data, size_t size, size_t *count)
{
    ff_wire *wire = ff.BIO_get_data(bio);
    char *room = ff_room(wire, size);
    ff.BIO_clear_flags(bio, FF_RETRY_ANY);
    *count = 0;
    if (room == NULL)
        return 0;
    memcpy(room, data, size);
    wire->shared->output_size += size;
    *count = size;
    return 1;
}

static long ff_wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio; (void)number; (void)pointer;
    return command == FF_CTRL_FLUSH;
}

static int ff_wire_destroy(BIO *bio)
{
    ff_wire *wire = ff.BIO_get_data(bio);
    if (wire != NULL) {
        free(wire->kept);
        free(wire->held);
        free(wire);
    }
    return 1;
}

/* Find the functions in the library of Python's _ssl and those that it depends on, which stay loaded. Return the name of
   a missing one, or NULL. */
static const char *ff_bind(const char *path)
{
    ff_functions found;
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL)
        return "its library";
#define FF_FIND(type, name, arguments) \
    *(void **)&found.name = dlsym(library, #name); \
    if (found.name == NULL) \
        return #name;
    FF_FUNCTIONS(FF_FIND)
    ff = found;
    if (ff_method == NULL) {
        BIO_METHOD *method = ff.BIO_meth_new(ff.BIO_get_new_index() | FF_SOURCE_SINK, "fastfile");
        if (method == NULL || !ff.BIO_meth_set_read_ex(method, ff_wire_read)
            || !ff.BIO_meth_set_write_ex(method, ff_wire_write)
            || !ff.BIO_meth_set_ctrl(method, ff_wire_control)
            || !ff.BIO_meth_set_destroy(method, ff_wire_destroy))
            return "memory";
        ff_method = method;
    }
    return NULL;
}

/* Where the pointer to OpenSSL's connection is in the object that Python's _ssl made of it: found, not assumed. */
static const SSL *ff_seen;

static void ff_see(const SSL *ssl, int where, int result)
{
    (void)where; (void)result;
    ff_seen = ssl;
}

static void *ff_word(const void *object, Py_ssize_t offset)
{
    void *word;
    memcpy(&word, (const char *)object + offset, sizeof word);
    return word;
}

/* Return the offset, or -1. OpenSSL has called ff_see() with the connection of the object, of ``size`` bytes. */
static Py_ssize_t ff_find(const void *object, Py_ssize_t from, Py_ssize_t size)
{
    for (Py_ssize_t offset = from; offset + (Py_ssize_t)sizeof(void *) <= size; offset += sizeof(void *))
        if (ff_seen != NULL && ff_word(object, offset) == (const void *)ff_seen)
            return offset;
    return -1;
}

static ff_shared *ff_shared_new(void)
{
    ff_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return NULL;
    shared->output = malloc(FF_OUTPUT);
    shared->capacity = FF_OUTPUT;
    if (shared->output == NULL) {
        free(shared);
        return NULL;
    }
    return shared;
}

static void ff_shared_free(ff_shared *shared)
{
    if (shared != NULL) {
        free(shared->output);
        free(shared);
    }
}

/* Give a connection a wire, instead of the BIOs that Python gave it. NULL if there is no memory. */
static ff_wire *ff_connect(SSL *ssl, ff_shared *shared, BIO **bio)
{
    ff_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return NULL;
    *bio = ff.BIO_new(ff_method);
    if (*bio == NULL) {
        free(wire);
        return NULL;
    }
    wire->shared = shared;
    ff.BIO_set_data(*bio, wire);
    ff.BIO_set_init(*bio, 1);
    ff.BIO_up_ref(*bio);           /* one reference is OpenSSL's, one the caller's */
    ff.SSL_set_bio(ssl, *bio, *bio);
    return wire;
}

/* Let go of a connection: OpenSSL may keep it, but what it writes gets lost. */
static void ff_disconnect(ff_wire *wire, BIO *bio)
{
    ff_shared *shared = wire->shared;
    if (shared->owner == wire)
        shared->owner = NULL;
    if (shared->writer == wire)
        shared->writer = NULL;
    wire->shared = NULL;
    wire->input_size = 0;
    ff.BIO_free(bio);
}

/* Offer ciphertext to OpenSSL until ff_keep(); 0 if there is no memory. */
static int ff_feed(ff_wire *wire, const char *data, size_t size)
{
    if (wire->input_size == 0) {
        wire->input = data;
        wire->input_size = size;
        return 1;
    }
    char *kept = malloc(wire->input_size + size);
    if (kept == NULL)
        return 0;
    memcpy(kept, wire->input, wire->input_size);
    memcpy(kept + wire->input_size, data, size);
    free(wire->kept);
    wire->kept = kept;
    wire->input = kept;
    wire->input_size += size;
    return 1;
}

/* Before a call ends, copy what OpenSSL has not read, and what it has written; 0 if there is no memory. */
static int ff_keep(ff_wire *wire)
{
    ff_shared *shared = wire->shared;
    char *kept = NULL, *held;
    if (wire->input_size > 0) {
        kept = malloc(wire->input_size);
        if (kept == NULL) {
            wire->input_size = 0;
            return 0;
        }
        memcpy(kept, wire->input, wire->input_size);
    }
    free(wire->kept);
    wire->kept = kept;
    wire->input = kept;
    if (shared->owner != wire)
        return 1;
    shared->owner = NULL;
    if (shared->output_size == 0)
        return 1;
    size_t left = wire->held_size - wire->held_start;
    held = malloc(left + shared->output_size);
    if (held == NULL)
        return 0;
    if (left > 0)
        memcpy(held, wire->held + wire->held_start, left);
    memcpy(held + left, shared->output, shared->output_size);
    free(wire->held);
    wire->held = held;
    wire->held_size = left + shared->output_size;
    wire->held_start = 0;
    return 1;
}

/* Clear the errors of earlier calls, which SSL_get_error() would return: most often there are none. */
static void ff_forget_errors(void)
{
    if (ff.ERR_peek_last_error() != 0)
        ff.ERR_clear_error();
}

/* Continue the handshake: 1 if it is done, 0 if it needs more input, or FF_ERROR. */
static int ff_shake_hands(SSL *ssl, ff_wire *wire)
{
    ff_forget_errors();
    int result = ff.SSL_do_handshake(ssl);
    if (result == 1) {
        wire->is_open = 1;
        wire->quiet = 0;
        return 1;
    }
    return ff.SSL_get_error(ssl, result) == FF_WANT_READ ? 0 : FF_ERROR;
}

/* Decrypt all whole records, but after too many quiet ones no more. Return the bytes, or FF_ERROR; ``ended`` is set by close_notify. */
static Py_ssize_t ff_decrypt(SSL *ssl, ff_wire *wire, char *buffer, size_t size, int *ended)
{
    size_t count = 0, more;
    while (wire->input_size > 0 && count < size) {
        ff_forget_errors();
        int result = ff.SSL_read_ex(ssl, buffer + count, size - count, &more);
        if (result == 1) {
            count += more;
            if (wire->quiet > 0)
                wire->quiet--;
            continue;
        }
        int error = ff.SSL_get_error(ssl, result);
        if (error == FF_ZERO_RETURN)
            *ended = 1;
        else if (error != FF_WANT_READ)
            return FF_ERROR;
        break;
    }
    return (Py_ssize_t)count;
}

/* Take ciphertext that waits back, in front of what will be written. */
static int ff_take_held(ff_wire *wire)
{
    if (wire->held == NULL)
        return 1;
    size_t left = wire->held_size - wire->held_start;
    char *room = ff_room(wire, left);
    if (room == NULL)
        return 0;
    memcpy(room, wire->held + wire->held_start, left);
    wire->shared->output_size += left;
    free(wire->held);
    wire->held = NULL;
    wire->held_size = wire->held_start = wire->gone = 0;
    return 1;
}

/* Encrypt some bytes: full records, and one of the rest. */
static int ff_encrypt(SSL *ssl, ff_wire *wire, const char *data, size_t size)
{
    size_t count;
    if (!ff_take_held(wire))
        return FF_ERROR;
    while (size > 0) {
        ff_forget_errors();
        if (ff.SSL_write_ex(ssl, data, size < FF_RECORD ? size : FF_RECORD, &count) != 1)
            return FF_ERROR;
        data += count;
        size -= count;
    }
    return 0;
}

/* Encrypt what was gathered. */
static int ff_seal(SSL *ssl, ff_wire *wire)
{
    ff_shared *shared = wire->shared;
    size_t size = shared->writer == wire ? shared->plain_size : 0;
    shared->writer = NULL;
    return size > 0 ? ff_encrypt(ssl, wire, shared->content, size) : 0;
}

/* Write close_notify behind what was gathered, and behind what is held: session tickets that no response took along. */
static int ff_end(SSL *ssl, ff_wire *wire)
{
    if (ff_seal(ssl, wire) < 0 || !ff_take_held(wire))
        return FF_ERROR;
    ff_forget_errors();
    ff.SSL_shutdown(ssl);          /* 0: the client has not sent its close_notify yet */
    ff_forget_errors();
    return 0;
}

/* Return where to put up to FF_RECORD - *size bytes beside those that are gathered. */
static char *ff_gather(ff_wire *wire, size_t *size)
{
    ff_shared *shared = wire->shared;
    if (shared->writer != wire) {
        shared->writer = wire;
        shared->content = shared->plain;
        shared->plain_size = 0;
    }
    if (shared->content != shared->plain) {
        memcpy(shared->plain, shared->content, shared->plain_size);
        shared->content = shared->plain;
    }
    *size = shared->plain_size;
    return shared->plain + shared->plain_size;
}

/* Encrypt the full records of some bytes. The rest stays where it is, if it is all that is gathered. */
static int ff_begin(SSL *ssl, ff_wire *wire, const char *data, size_t size)
{
    ff_shared *shared = wire->shared;
    size_t full = size / FF_RECORD * FF_RECORD;
    if (size > FF_RECORD && ff_encrypt(ssl, wire, data, full) < 0)
        return FF_ERROR;
    if (size > FF_RECORD) {
        data += full;
        size -= full;
    }
    shared->writer = wire;
    shared->content = data;
    shared->plain_size = size;
    return 0;
}

/* Encrypt bytes, which the caller keeps until the next call of this or of ff_seal(). Small ones are gathered in one
   record with those before and after them. */
static int ff_write(SSL *ssl, ff_wire *wire, const char *data, size_t size)
{
    size_t before;
    if (wire->shared->writer != wire || wire->shared->plain_size == 0)
        return ff_begin(ssl, wire, data, size);
    char *room = ff_gather(wire, &before);
    if (before + size > FF_RECORD) {
        if (size > FF_RECORD) {    /* fill the record of the head */
            size_t fitting = FF_RECORD - before;
            memcpy(room, data, fitting);
            wire->shared->plain_size = FF_RECORD;
            data += fitting;
            size -= fitting;
        }
        if (ff_seal(ssl, wire) < 0)
            return FF_ERROR;
        return ff_begin(ssl, wire, data, size);
    }
    memcpy(room, data, size);
    wire->shared->plain_size += size;
    return 0;
}

/* Return where to read a piece of a file to, and how much of it; NULL on an error. */
static char *ff_room_for_file(SSL *ssl, ff_wire *wire, size_t *room)
{
    size_t before;
    char *buffer = ff_gather(wire, &before);
    if (before == FF_RECORD) {
        if (ff_seal(ssl, wire) < 0)
            return NULL;
        buffer = ff_gather(wire, &before);
    }
    *room = FF_RECORD - before;
    return buffer;
}

static void ff_note_file(ff_wire *wire, size_t size)
{
    wire->shared->plain_size += size;
}

/* Send some bytes; -1 with errno. */
static ssize_t ff_send(int fd, const char *data, size_t size)
{
    ssize_t sent;
    do
        sent = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

/* Send what is encrypted, and hold what the socket does not take. Return the bytes that are held, or -1 with errno.
   ``total`` and ``sent`` count ciphertext since nothing was held. */
static Py_ssize_t ff_flush(ff_wire *wire, int fd, Py_ssize_t *total, Py_ssize_t *sent)
{
    ff_shared *shared = wire->shared;
    size_t size;
    ssize_t count;
    if (wire->held == NULL) {
        size = shared->owner == wire ? shared->output_size : 0;
        shared->owner = NULL;
        count = size > 0 ? ff_send(fd, shared->output, size) : 0;
        if (count < 0)
            return -1;
        *total = (Py_ssize_t)size;
        *sent = (Py_ssize_t)count;
        if ((size_t)count == size)
            return 0;
        wire->held_size = size - (size_t)count;
        wire->held = malloc(wire->held_size);
        if (wire->held == NULL) {
            errno = ENOMEM;
            return -1;
        }
        memcpy(wire->held, shared->output + count, wire->held_size);
        wire->held_start = 0;
        wire->gone = (size_t)count;
        return (Py_ssize_t)wire->held_size;
    }
    count = ff_send(fd, wire->held + wire->held_start, wire->held_size - wire->held_start);
    if (count < 0)
        return -1;
    wire->held_start += (size_t)count;
    *total = (Py_ssize_t)(wire->gone + wire->held_size);
    *sent = (Py_ssize_t)(wire->gone + wire->held_start);
    if (wire->held_start < wire->held_size)
        return (Py_ssize_t)(wire->held_size - wire->held_start);
    free(wire->held);
    wire->held = NULL;
    wire->held_size = wire->held_start = wire->gone = 0;
    return 0;
}

#endif
