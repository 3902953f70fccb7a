"""CPU time of other processes, from the system's own accounts."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
PS_SECONDS = 10.0
PARENT, USER, ENDED_USER = 1, 11, 13  # fields of proc(5) behind the name; the one after is system time


class Account(NamedTuple):
    """What one process has spent so far in seconds, and its children that ended (where /proc says so)."""

    parent: int
    own: float
    of_ended: float


class CpuMeter:
    """What each of some processes spends from now on, with all its children: those that ended, too."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """`pids` by the part's name."""
        self._pids = dict(pids)
        self._before = self._now()

    def spent(self) -> dict[str, float]:
        """Seconds of user and system time by part. Raises RuntimeError if one of the processes is gone."""
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    def _now(self) -> dict[str, float]:
        accounts = all_accounts()
        return {name: _tree_seconds(pid, accounts) for name, pid in self._pids.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to 10 ms. Raises RuntimeError if there is none."""
    return _account(pid, all_accounts()).own


def all_accounts() -> dict[int, Account]:
    """Those of all processes of this machine, by process id."""
    return _from_proc() if PROC.joinpath("self/stat").exists() else _from_ps()


def parse_cpu_time(shown: str) -> float:
    """Seconds, of `[[days-]hours:]minutes:seconds[.fraction]` as `ps` shows them."""
    days, _, clock = shown.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(days or 0) * 86_400 + seconds


def _tree_seconds(pid: int, accounts: Mapping[int, Account]) -> float:
    found = _account(pid, accounts)
    children = [child for child, account in accounts.items() if account.parent == pid]
    return found.own + found.of_ended + sum(_tree_seconds(child, accounts) for child in children)


def _account(pid: int, accounts: Mapping[int, Account]) -> Account:
    if pid not in accounts:
        raise RuntimeError(f"process {pid} ended while its CPU time was measured")
    return accounts[pid]


def _from_proc() -> dict[int, Account]:
    accounts, tick = dict[int, Account](), 1 / os.sysconf("SC_CLK_TCK")
    for folder in PROC.glob("[0-9]*"):
        try:
            stat = folder.joinpath("stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        # The second field is the program's name in parentheses, which may contain anything.
        fields = stat.rpartition(")")[2].split()
        own, ended = ((int(fields[user]) + int(fields[user + 1])) * tick for user in (USER, ENDED_USER))
        accounts[int(folder.name)] = Account(int(fields[PARENT]), own, ended)
    return accounts


def _from_ps() -> dict[int, Account]:
    command = ["ps", "-A", "-o", "pid=,ppid=,time="]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PS_SECONDS).stdout
    lines = [line.split() for line in shown.splitlines()]
    return {int(pid): Account(int(parent), parse_cpu_time(time), 0.0) for pid, parent, time in lines}
