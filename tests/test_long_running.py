"""What a worker process asks of its system."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from headrace.long_running import allow_many_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard} or hard))
allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits_after(soft, hard):
    """The soft and the hard limit of a process that began with these, and asked for many files."""
    command = [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    return [int(limit) for limit in shown.split()]


def test_a_low_soft_limit_of_open_files_is_raised_to_what_the_system_allows():
    soft, hard = limits_after(256, None)

    assert soft == min(hard, 65_536)


@pytest.mark.parametrize(("soft", "hard"), [(256, 512), (512, 512)])
def test_no_limit_is_raised_beyond_the_hard_one(soft, hard):
    assert limits_after(soft, hard) == [512, 512]
