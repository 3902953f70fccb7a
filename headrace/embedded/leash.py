"""Runs a command that does not outlive its supervisor: `leash.py SUPERVISOR_PID COMMAND...`.

A program of its own: in the child of a process with threads, Python code between fork and exec may deadlock.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5


def main() -> None:
    """Becomes the command; on Linux the kernel kills it when the thread that started it ends."""
    supervisor, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ask_kernel()
    else:
        watch(supervisor)
    if os.getppid() != supervisor:
        sys.exit("the supervisor died before this process was tied to it")
    os.execvp(command[0], command)


def ask_kernel() -> None:
    """SIGKILL for this process as soon as its parent is dead, however that died; an exec keeps it so."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def watch(supervisor: int) -> None:
    """Fork a watcher that kills this process group once the supervisor is gone; it ends with this process."""
    leader = os.getpid()
    if os.fork() != 0:
        return
    while os.getppid() == leader:
        if not _lives(supervisor):
            os.killpg(0, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)
    os._exit(0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # the latter: the number is somebody else's by now
        return False
    return True


if __name__ == "__main__":
    main()
