/* LD_PRELOAD: each write to a journal segment takes SLOW_DISK_MS milliseconds, as on a dying disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_segment(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "/journal/") != NULL;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    const char *ms = getenv("SLOW_DISK_MS");
    if (ms && is_segment(fd)) {
        struct timespec pause = {0, atol(ms) * 1000000L};
        nanosleep(&pause, NULL);
    }
    return real(fd, bytes, size);
}
