/* It shares the memory of the process that starts it (clone(2) with CLONE_VM):
 * that one is a fork of an interpreter with a hundred megabytes mapped, and to
 * copy its page tables once more would take longer than all the rest of the
 * box. So it runs nothing of libc, whose errno would be the other's: its system
 * calls are made here, by hand.
 *
 * SIGTERM makes it kill and reap all others before it ends. SIGKILL would end
 * them as well, but the kernel then forgets what CPU time they used (it ignores
 * SIGCHLD for a pid 1 that dies: kernel/pid_namespace.c). */
#include "reaper.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES 16384
#define READY_S 5

#if defined(__x86_64__)
static inline __attribute__((always_inline)) long call(long n, long a, long b, long c, long d)
{
    long ret;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return ret;
}
#elif defined(__aarch64__)
static inline __attribute__((always_inline)) long call(long n, long a, long b, long c, long d)
{
    register long number __asm__("x8") = n;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(number), "r"(second), "r"(third), "r"(fourth)
                     : "memory");
    return first;
}
#else
#error "reaper.c: no system calls by hand for this architecture yet"
#endif

static char stack[STACK_BYTES] __attribute__((aligned(16)));
static uint32_t ready; /* set by the reaper once it will die with its parent */

/* Sanitizers would take its stack for an overrun of the other's. */
__attribute__((no_sanitize("address", "undefined"))) static int reaper(void *arg)
{
    (void)arg;
    static const char name[] = "manimd-init";
    const uint64_t all = ~0ULL, awaited = 1ULL << (SIGCHLD - 1) | 1ULL << (SIGTERM - 1);
    call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof all);
    call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    call(SYS_prctl, PR_SET_NAME, (long)name, 0, 0);
    call(SYS_close_range, 0, ~0U, 0, 0);
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
    call(SYS_futex, (long)&ready, FUTEX_WAKE, 1, 0);
    while (call(SYS_rt_sigtimedwait, (long)&awaited, 0, 0, sizeof awaited) != SIGTERM)
        while (call(SYS_wait4, -1, 0, WNOHANG, 0) > 0)
            ;
    call(SYS_kill, -1, SIGKILL, 0, 0);
    while (call(SYS_wait4, -1, 0, 0, 0) > 0)
        ;
    call(SYS_exit, 0, 0, 0, 0);
    return 0;
}

pid_t reaper_start(void)
{
    ready = 0;
    pid_t pid = clone(reaper, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    if (pid < 0)
        return -errno;
    const struct timespec patience = {.tv_sec = READY_S};
    while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST)) {
        if (syscall(SYS_futex, &ready, FUTEX_WAIT, 0, &patience, NULL, 0) < 0 &&
            errno == ETIMEDOUT) {
            kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
            return -ETIMEDOUT;
        }
    }
    return pid;
}
