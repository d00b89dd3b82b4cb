/*
 * The bench's load generator: one thread, epoll, one JSON line of results.
 *
 *     load closed PORT PATH BODYFILE CONNECTIONS SECONDS       each connection asks again at once
 *     load open   PORT PATH BODYFILE RATE        SECONDS       RATE requests/s, latency from the time due
 *     load stream PORT PATH BODYFILE STREAMS     SECONDS       so many streams open at all times
 *
 * Times are microseconds. `chunk` is the age of each streamed chunk on arrival, read from its " t=<ns>;".
 * Half a second of warm-up is not counted.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX (256 * 1024)
#define SAMPLES_MAX 4000000
#define OPEN_CONNECTIONS 256
#define WARM_UP_NS 500000000LL

enum mode { CLOSED, OPEN, STREAM };
typedef struct conn {
    int fd, busy, head_len, chunked, len;
    long body_len;
    int64_t sent_ns, first_ns;
    struct conn *next_idle;
    char in[IN_MAX + 1];
} conn;
typedef struct { const char *name; uint32_t *ns; long n; } samples;

static enum mode mode;
static int epoll_fd, port, request_len;
static char *request;
static conn *idle;
static long done, failed, not_200, unsent;
static int64_t counted_from, ends_at;
static samples latency = {"latency", NULL, 0}, first = {"first_byte", NULL, 0}, age = {"chunk", NULL, 0};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void keep(samples *s, int64_t ns, int64_t sent_ns) {
    if (sent_ns >= counted_from && s->n < SAMPLES_MAX) s->ns[s->n++] = ns > UINT32_MAX ? UINT32_MAX : ns < 0 ? 0 : ns;
}

static void dial(conn *c) {
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&to, sizeof to)) { perror("connect"); exit(1); }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static void ask(conn *c, int64_t due_ns) {
    if (c->fd < 0) dial(c);
    c->busy = 1;
    c->head_len = c->chunked = c->len = 0;
    c->body_len = -1;
    c->sent_ns = due_ns;
    c->first_ns = 0;
    for (int sent = 0; sent < request_len;) {
        ssize_t n = send(c->fd, request + sent, request_len - sent, MSG_NOSIGNAL);
        if (n < 0) { failed++; close(c->fd); c->fd = -1; c->busy = 0; return; }
        sent += n;
    }
}

static void rest(conn *c) {
    c->busy = 0;
    if (mode == OPEN) { c->next_idle = idle; idle = c; }
    else if (now_ns() < ends_at) ask(c, now_ns());
}

static void read_ages(conn *c, int64_t now) {
    char *at = c->in, *end = c->in + c->len;
    for (char *t; (t = memmem(at, end - at, " t=", 3));) {
        char *stop = memchr(t, ';', end - t);
        if (!stop) break;
        keep(&age, now - strtoll(t + 3, NULL, 10), c->sent_ns);
        at = stop;
    }
    int left = end - at < 512 ? end - at : 512; /* enough for a stamp or a terminator cut in two */
    memmove(c->in, end - left, left);
    c->len = left;
}

static void on_readable(conn *c) {
    ssize_t got = recv(c->fd, c->in + c->len, IN_MAX - c->len, MSG_DONTWAIT);
    int64_t now = now_ns();
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (c->busy) failed++;
        close(c->fd);
        c->fd = -1;
        if (c->busy) rest(c);
        return;
    }
    if (!c->busy) return;
    c->len += got;
    c->in[c->len] = 0;
    if (!c->head_len) {
        char *blank = memmem(c->in, c->len, "\r\n\r\n", 4);
        if (!blank) return;
        c->head_len = blank + 4 - c->in;
        if (atoi(c->in + 9) != 200) not_200++;
        *blank = 0;
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        c->chunked = strcasestr(c->in, "\r\ntransfer-encoding:") != NULL;
        if (length) c->body_len = atol(length + 17);
        memmove(c->in, c->in + c->head_len, c->len - c->head_len);
        c->len -= c->head_len;
    }
    if (!c->first_ns && c->len) { c->first_ns = now; keep(&first, now - c->sent_ns, c->sent_ns); }
    int whole = c->chunked ? c->len >= 5 && !memcmp(c->in + c->len - 5, "0\r\n\r\n", 5) : c->body_len >= 0 && c->len >= c->body_len;
    if (mode == STREAM) read_ages(c, now);
    if (!whole) return;
    if (c->sent_ns >= counted_from && now <= ends_at) done++;
    keep(&latency, now - c->sent_ns, c->sent_ns);
    rest(c);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b;
    return (x > y) - (x < y);
}

static void print(samples *s) {
    if (!s->n) return;
    qsort(s->ns, s->n, sizeof *s->ns, by_size);
    printf(",\"%s_n\":%ld,\"%s_p50\":%.1f,\"%s_p90\":%.1f,\"%s_p99\":%.1f", s->name, s->n, s->name, s->ns[s->n / 2] / 1e3,
           s->name, s->ns[(long)(s->n * .9)] / 1e3, s->name, s->ns[(long)(s->n * .99)] / 1e3);
}

static void make_request(const char *path, const char *body_file) {
    FILE *f = fopen(body_file, "rb");
    if (!f) { perror(body_file); exit(2); }
    request = malloc(4 * 1024 * 1024);
    static char body[4 * 1024 * 1024 - 4096];
    int len = fread(body, 1, sizeof body, f);
    fclose(f);
    request_len = sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
        "User-Agent: OpenAI/Python 3.54.0\r\nAuthorization: Bearer sk-bench-0123456789abcdef0123456789abcdef\r\n"
        "x-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\nx-stainless-os: Linux\r\nx-stainless-arch: x64\r\n"
        "x-stainless-runtime: CPython\r\nContent-Length: %d\r\n\r\n", path, port, len);
    memcpy(request + request_len, body, len);
    request_len += len;
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "usage: load closed|open|stream PORT PATH BODYFILE N SECONDS\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    mode = !strcmp(argv[1], "open") ? OPEN : !strcmp(argv[1], "stream") ? STREAM : CLOSED;
    port = atoi(argv[2]);
    make_request(argv[3], argv[4]);
    double n = atof(argv[5]);
    int connections = mode == OPEN ? OPEN_CONNECTIONS : (int)n;
    latency.ns = malloc(SAMPLES_MAX * 4);
    first.ns = malloc(SAMPLES_MAX * 4);
    age.ns = malloc(SAMPLES_MAX * 4);
    epoll_fd = epoll_create1(0);
    conn *all = calloc(connections, sizeof *all);
    for (int i = connections - 1; i >= 0; i--) { all[i].fd = -1; all[i].next_idle = idle; idle = &all[i]; }
    int64_t start = now_ns(), gap = mode == OPEN ? 1e9 / n : 0, due = start;
    counted_from = start + WARM_UP_NS;
    ends_at = counted_from + (int64_t)(atof(argv[6]) * 1e9);
    if (mode != OPEN) for (int i = 0; i < connections; i++) ask(&all[i], now_ns());
    struct epoll_event events[256];
    for (int64_t now; (now = now_ns()) < ends_at;) {
        for (; mode == OPEN && due <= now && due < ends_at; due += gap) {
            conn *c = idle;
            if (!c) { unsent++; continue; }
            idle = c->next_idle;
            ask(c, now_ns());
        }
        int64_t wake = mode == OPEN && due < ends_at ? due : ends_at, wait = wake > now ? wake - now : 0;
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        int ready = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);
        for (int i = 0; i < ready; i++) {
            conn *c = events[i].data.ptr;
            if (c->fd >= 0) on_readable(c);
        }
    }
    printf("{\"done\":%ld,\"per_s\":%.1f,\"failed\":%ld,\"not_200\":%ld,\"unsent\":%ld", done, done / ((ends_at - counted_from) / 1e9),
           failed, not_200, unsent);
    print(&latency);
    print(&first);
    print(&age);
    puts("}");
    return 0;
}
