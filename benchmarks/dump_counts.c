/* Preloaded into a server under callgrind: at each SIGRTMIN + 7 it writes its counts, and begins anew at 0. */
#include <signal.h>
#include <valgrind/callgrind.h>

static void dump_counts(int number)
{
    (void)number;
    CALLGRIND_DUMP_STATS;
}

__attribute__((constructor)) static void watch_signal(void)
{
    struct sigaction action = {.sa_handler = dump_counts, .sa_flags = SA_RESTART};
    sigaction(SIGRTMIN + 7, &action, 0);
}
