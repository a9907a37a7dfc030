/* A long cable: two TUN interfaces, each in a network namespace of its own. What goes into one comes out of
 * the other, in order, so many milliseconds later. The queue of each direction is bounded, as a router's:
 * what finds it full is lost.
 *
 * Says "ready" when both interfaces are there (down, without addresses), and ends with its standard input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_LENGTH 2048u
#define PACKET_MAX 2048u
/* So many packets are taken in before those that are due get their turn. */
#define BATCH 64u
#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

typedef struct {
    int64_t due; /* in nanoseconds of the monotonic clock */
    size_t length;
    unsigned char bytes[PACKET_MAX];
} Packet;

typedef struct {
    int from, to;
    unsigned first, count;
    Packet packets[QUEUE_LENGTH];
} Direction;

static Direction directions[2];
static int64_t delay;

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* An interface belongs to the namespace that its maker is in when it opens the device. */
static int
open_interface(const char *namespace, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int net = open(namespace, O_RDONLY | O_CLOEXEC);
    int fd;

    if (net < 0 || setns(net, CLONE_NEWNET) < 0)
        die(namespace);
    close(net);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        die("/dev/net/tun");
    strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        die(name);
    return fd;
}

static void
take_in(Direction *direction)
{
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned free_place = (direction->first + direction->count) % QUEUE_LENGTH;
        unsigned char lost[PACKET_MAX];
        int full = direction->count == QUEUE_LENGTH;
        Packet *packet = &direction->packets[free_place];
        ssize_t got = read(direction->from, full ? lost : packet->bytes, PACKET_MAX);

        if (got <= 0)
            return;
        if (full)
            continue;
        packet->length = (size_t)got;
        packet->due = now() + delay;
        direction->count++;
    }
}

/* An interface that is down takes nothing: the packet is lost, as on a cable that is not plugged in. */
static void
let_out(Direction *direction)
{
    while (direction->count > 0) {
        Packet *packet = &direction->packets[direction->first];

        if (packet->due > now())
            return;
        if (write(direction->to, packet->bytes, packet->length) < 0 && errno == EINTR)
            continue;
        direction->first = (direction->first + 1) % QUEUE_LENGTH;
        direction->count--;
    }
}

/* Until the next packet is due; a time without end where there is none. */
static struct timespec *
time_left(struct timespec *left)
{
    int64_t due = INT64_MAX;

    for (unsigned i = 0; i < 2; i++) {
        const Direction *direction = &directions[i];

        if (direction->count > 0 && direction->packets[direction->first].due < due)
            due = direction->packets[direction->first].due;
    }
    if (due == INT64_MAX)
        return NULL;
    due -= now();
    if (due < 0)
        due = 0;
    left->tv_sec = due / NS_PER_S;
    left->tv_nsec = due % NS_PER_S;
    return left;
}

static void
forward(void)
{
    struct pollfd ready[] = {
        {.fd = directions[0].from, .events = POLLIN},
        {.fd = directions[1].from, .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };

    while (!(ready[2].revents & (POLLIN | POLLHUP))) {
        struct timespec left;

        if (ppoll(ready, 3, time_left(&left), NULL) < 0 && errno != EINTR)
            die("ppoll");
        for (unsigned i = 0; i < 2; i++) {
            if (ready[i].revents & POLLERR)
                return;
            take_in(&directions[i]);
            let_out(&directions[i]);
        }
    }
}

int
main(int argc, char **argv)
{
    int ends[2];

    if (argc != 6) {
        fprintf(stderr, "usage: %s MILLISECONDS NAMESPACE INTERFACE NAMESPACE INTERFACE\n", argv[0]);
        return 2;
    }
    delay = (int64_t)atoi(argv[1]) * NS_PER_MS;
    ends[0] = open_interface(argv[2], argv[3]);
    ends[1] = open_interface(argv[4], argv[5]);
    for (unsigned i = 0; i < 2; i++) {
        directions[i].from = ends[i];
        directions[i].to = ends[1 - i];
    }
    puts("ready");
    fflush(stdout);
    forward();
    return 0;
}
