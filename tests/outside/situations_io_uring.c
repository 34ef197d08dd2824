/* Situations: threads of io_uring. */

#include "situations_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *no_ring(void)
{
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0)
        return "no io_uring here (sysctl kernel.io_uring_disabled, or a seccomp filter)";
    close(fd);
    return NULL;
}

static struct ring {
    int fd;
    struct io_uring_params params;
    char *sq, *cq;
    struct io_uring_sqe *entries;
} ring;

static void make_ring(unsigned flags, unsigned idle)
{
    ring.params.flags = flags;
    ring.params.sq_thread_idle = idle;
    ring.fd = (int)syscall(SYS_io_uring_setup, 4, &ring.params);
    require(ring.fd >= 0, "io_uring_setup");
    ring.sq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
    ring.cq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
    ring.entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
    require(ring.sq != MAP_FAILED && ring.cq != MAP_FAILED && ring.entries != MAP_FAILED, "mmap of the ring");
}

/* A worker names itself when it first runs, and has its maker's name until then. */
static pid_t worker_named(const char *begin)
{
    for (;; nap(1)) {
        struct process *seen = look(getpid());
        for (size_t at = 0; at < seen->len; at++)
            if (seen->threads[at].kernel && !strncmp(seen->threads[at].name, begin, strlen(begin)))
                return seen->threads[at].tid;
    }
}

static int ring_pipe[2];
static char ring_byte;

static void make_ring_with_worker(void)
{
    make_ring(0, 0);
    require(pipe(ring_pipe) == 0, "pipe");
    /* IOSQE_ASYNC: given to a worker at once, which waits there. */
    ring.entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_READ,
                                            .flags = IOSQE_ASYNC,
                                            .fd = ring_pipe[0],
                                            .addr = (uintptr_t)&ring_byte,
                                            .len = 1,
                                            .user_data = 7};
    unsigned *tail = (unsigned *)(ring.sq + ring.params.sq_off.tail);
    unsigned *array = (unsigned *)(ring.sq + ring.params.sq_off.array);
    array[*tail & *(unsigned *)(ring.sq + ring.params.sq_off.ring_mask)] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    require(syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) == 1, "io_uring_enter");
    idle_threads(MANY_IDLE);
    worker_named("iou-wrk-");
}

static void ring_still_works(void)
{
    unsigned *tail = (unsigned *)(ring.cq + ring.params.cq_off.tail);
    if (write(ring_pipe[1], "x", 1) != 1)
        complain("write: %s", strerror(errno));
    if (syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        complain("io_uring_enter after the drop: %s", strerror(errno));
    struct io_uring_cqe *done = (struct io_uring_cqe *)(ring.cq + ring.params.cq_off.cqes);
    if (__atomic_load_n(tail, __ATOMIC_ACQUIRE) != 1 || done->user_data != 7 || done->res != 1 || ring_byte != 'x')
        complain("the request under way was not completed: tail %u, result %d", *tail, done->res);
}

static void make_polling_ring(void)
{
    make_ring(IORING_SETUP_SQPOLL, 100000);
    idle_threads(MANY_IDLE);
    shared->tid = worker_named("iou-sqp-");
}

static const char *no_ring_or_wchan(void)
{
    return no_ring()                             ? no_ring()
           : access("/proc/kallsyms", F_OK) == 0 ? NULL
                                                 : "no kernel symbols here, so that wchan tells nothing";
}

/* Asleep after a millisecond of the processor's, which is when the kernel tells what it is. The case has a limit. */
static void make_renamed_ring(void)
{
    make_ring(IORING_SETUP_SQPOLL, 1);
    idle_threads(MANY_IDLE);
    shared->tid = worker_named("iou-sqp-");
    char path[64], wchan[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", shared->tid);
    int comm = open(path, O_WRONLY | O_CLOEXEC);
    require(comm >= 0 && write(comm, "iou-wrk-7", 9) == 9, path);
    close(comm);
    snprintf(path, sizeof path, "/proc/self/task/%d/wchan", shared->tid);
    while (strncmp(wchan, "io_sq_thread", 12)) {
        nap(1);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = file < 0 ? -1 : read(file, wchan, sizeof wchan - 1);
        require(len >= 0, path);
        wchan[len] = 0;
        close(file);
    }
}

static int close_ring_and_drop(void)
{
    int status = refusable_drop();
    if (status != EC_SECURITY_ETHREAD)
        complain("with the ring open: %d", status);
    munmap(ring.sq, 4096);
    munmap(ring.cq, 4096);
    munmap(ring.entries, 4096);
    close(ring.fd);
    while (state_of(getpid(), shared->tid))
        nap(1);
    return drop();
}

void situations_of_io_uring(void)
{
    static const struct situation all[] = {
        SITUATION("io_uring with an ordinary worker", .cannot = no_ring, .make = make_ring_with_worker, .then = ring_still_works,
                  .outcomes = DONE, .threads = MANY_IDLE + 1),
        SITUATION("io_uring with a submission-polling thread", .cannot = no_ring, .make = make_polling_ring,
                  REFUSED_FOR_THREAD("iou-sqp-", "io_uring submission polling", "close its ring")),
        SITUATION("io_uring with a submission-polling thread, asleep, under the name of an ordinary worker",
                  .cannot = no_ring_or_wchan, .make = make_renamed_ring,
                  REFUSED_FOR_THREAD("iou-wrk-7", "io_uring submission polling")),
        SITUATION("io_uring with a submission-polling thread, called again with the ring closed", .cannot = no_ring,
                  .make = make_polling_ring, .call = close_ring_and_drop, .outcomes = DONE, .threads = MANY_IDLE + 1),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
