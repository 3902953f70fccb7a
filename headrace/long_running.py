"""What suits a process that runs for days: thousands of connections, and a calm garbage collector."""

import gc
import resource

OPEN_FILES = (65_536, 10_240)  # the second is what macOS allows when it refuses the first
COLLECT_AT = (20_000, 50, 100)


def allow_many_files() -> None:
    """Raise the soft limit of open files, often 1,024 or 256: each call in flight is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in OPEN_FILES:
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except ValueError:
            continue
        return


def settle_in() -> None:
    """Called when all is started. What the process has by now it keeps: no collection looks through it again.

    Requests and calls leave hardly a cycle behind; looking for them at the usual pace costs a twentieth of
    the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)
