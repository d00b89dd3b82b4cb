/*
 * The bench's provider: one thread, epoll, far faster than any proxy in front of it.
 *
 *     upstream PORT
 *
 * POST any path with a Content-Length body. The query says what comes back:
 *     (nothing)                        an 800-byte chat completion
 *     ?chunks=50&interval_us=20000     a chat completion stream; each chunk carries the monotonic
 *                                      clock as " t=<ns>;" so that the load generator can tell how
 *                                      late it came
 * GET /requests answers with the number of POSTs seen, to check that none was lost on the way.
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
#define OUT_MAX (1024 * 1024)

typedef struct conn {
    int fd, in_len, out_len, chunks_left, want_write;
    int64_t interval_ns, due_ns;
    struct conn *next_stream;
    char in[IN_MAX + 1];
    char *out;
} conn;

static int epoll_fd;
static long posts;
static conn *streams; /* every connection with a stream under way, unordered */

static const char BODY[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1741569952,\"model\":\"gpt-4o-mini-2024-07-18\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A proxy that stands beside the agent sees each "
    "call as it leaves and each answer as it comes back, so that both can be kept, counted and compared without a line of "
    "the agent's code being changed.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":912,\"completion_tokens\":64,\"total_tokens\":976,\"prompt_tokens_details\":"
    "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},"
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}";

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void watch(conn *c, int op, int writing) {
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll_fd, op, c->fd, &e);
    c->want_write = writing;
}

static void forget(conn *c) {
    for (conn **at = &streams; *at; at = &(*at)->next_stream)
        if (*at == c) {
            *at = c->next_stream;
            break;
        }
    close(c->fd);
    free(c->out);
    free(c);
}

static int flush_out(conn *c) {
    ssize_t sent = c->out_len ? send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent < 0 && errno != EAGAIN) return -1;
    if (sent > 0) {
        memmove(c->out, c->out + sent, c->out_len - sent);
        c->out_len -= sent;
    }
    if (c->want_write != (c->out_len > 0)) watch(c, EPOLL_CTL_MOD, c->out_len > 0);
    return 0;
}

static int say(conn *c, const char *bytes, int len) {
    if (c->out_len + len > OUT_MAX) return -1;
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
    return flush_out(c);
}

static int say_chunk(conn *c) {
    char data[1024], framed[1200];
    int n = c->chunks_left > 0
        ? sprintf(data, "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,"
                        "\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,"
                        "\"delta\":{\"content\":\" t=%lld;\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n", (long long)now_ns())
        : sprintf(data, "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,"
                        "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                        "\n\ndata: [DONE]\n\n");
    int m = sprintf(framed, "%x\r\n%s\r\n%s", n, data, c->chunks_left > 0 ? "" : "0\r\n\r\n");
    c->chunks_left--;
    return say(c, framed, m);
}

static int answer(conn *c, const char *head, int post) {
    char reply[4096];
    if (!post) {
        char count[32];
        int n = sprintf(count, "%ld", posts);
        return say(c, reply, sprintf(reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", n, count));
    }
    posts++;
    const char *line_end = strstr(head, "\r\n"), *chunks = strstr(head, "chunks=");
    if (!chunks || chunks > line_end)
        return say(c, reply, sprintf(reply, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                                            "openai-processing-ms: 12\r\nx-request-id: req_bench\r\n\r\n%s", sizeof BODY - 1, BODY));
    long interval_us = 0;
    c->chunks_left = atoi(chunks + 7);
    const char *interval = strstr(head, "interval_us=");
    if (interval && interval < line_end) interval_us = atol(interval + 12);
    static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    if (say(c, HEAD, sizeof HEAD - 1) < 0) return -1;
    if (interval_us == 0) {
        while (c->chunks_left >= 0)
            if (say_chunk(c) < 0) return -1;
        return 0;
    }
    c->interval_ns = interval_us * 1000;
    c->due_ns = now_ns() + c->interval_ns;
    c->next_stream = streams;
    streams = c;
    return say_chunk(c);
}

static int read_requests(conn *c) {
    ssize_t got = recv(c->fd, c->in + c->in_len, IN_MAX - c->in_len, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    c->in_len += got;
    for (;;) {
        c->in[c->in_len] = 0;
        char *blank = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!blank) return c->in_len == IN_MAX ? -1 : 0;
        long body = 0;
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        if (length && length < blank) body = atol(length + 17);
        long whole = blank + 4 - c->in + body;
        if (whole > IN_MAX) return -1;
        if (c->in_len < whole) return 0;
        if (answer(c, c->in, !strncmp(c->in, "POST ", 5)) < 0) return -1;
        memmove(c->in, c->in + whole, c->in_len - whole);
        c->in_len -= whole;
    }
}

static void run_due_streams(void) {
    int64_t now = now_ns();
    for (conn *c = streams, *next; c; c = next) {
        next = c->next_stream;
        if (c->due_ns > now) continue;
        c->due_ns += c->interval_ns;
        if (say_chunk(c) < 0) { forget(c); continue; }
        if (c->chunks_left < 0)
            for (conn **at = &streams; *at; at = &(*at)->next_stream)
                if (*at == c) { *at = c->next_stream; break; }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: upstream PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096)) return perror("bind"), 1;
    epoll_fd = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int64_t soonest = -1, now = now_ns();
        for (conn *c = streams; c; c = c->next_stream)
            if (soonest < 0 || c->due_ns < soonest) soonest = c->due_ns;
        int64_t wait = soonest < 0 ? 1000000000 : soonest > now ? soonest - now : 0;
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        int n = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (c) {
                if ((events[i].events & EPOLLOUT && flush_out(c) < 0) ||
                    (events[i].events & ~EPOLLOUT && read_requests(c) < 0)) forget(c);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                c->out = malloc(OUT_MAX);
                watch(c, EPOLL_CTL_ADD, 0);
            }
        }
        run_due_streams();
    }
}
