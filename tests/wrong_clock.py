"""A host whose clock is wrong, for a process of the tests, or jumps while it runs.

The process gets a small library before libc's own functions; its seconds off are read from a file. What time
passes stays true, as on a real host.
"""

import shutil
import subprocess
from pathlib import Path

from tests.servers import missing

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long seconds_off(void) {
    char text[24] = {0};
    int file = open(getenv("WRONG_CLOCK"), O_RDONLY);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += seconds_off();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class WrongClock:
    """Seconds by which the clock is ahead, for those processes that get its `environment`."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        """Needs a C compiler and glibc."""
        folder.mkdir()
        self._file = folder / "seconds"
        self._library = folder / "wrong_clock.so"
        self.jump_to(seconds)
        compiler = shutil.which("cc")
        if compiler is None:
            missing("a C compiler")
        source = folder / "wrong_clock.c"
        source.write_text(SOURCE)
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(source)]
        subprocess.run(command, check=True, timeout=60)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the process."""
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file)}

    def jump_to(self, seconds: int) -> None:
        """From now on the clock is so many seconds ahead of the true one."""
        aside = self._file.with_suffix(".new")
        aside.write_text(str(seconds))
        aside.replace(self._file)
