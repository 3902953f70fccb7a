"""Row 18: the disk with the database, the spool and the files is full for a while.

The scenario runs again in a mount namespace of its own, where an ordinary user may mount a small disk.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import migrations
from headrace.db import Database
from headrace.disk import free_bytes
from tests import servers
from tests.batch_input import many
from tests.invariants import check
from tests.plant import ROOT
from tests.scene import Scene
from tests.simulated import eventually

pytest_plugins = ["tests.hints", "tests.planted"]

INSIDE = "HEADRACE_TESTS_SMALL_DISK"
MEBIBYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MiB; what is on it is gone with the process that sees it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True, timeout=10)
    return disk


@pytest.fixture
def store(small_disk):
    db = Database(f"sqlite:///{small_disk / 'headrace.db'}")
    migrations.upgrade(db.engine)
    yield Scene(db)
    db.close()


@pytest.mark.skipif(INSIDE not in os.environ, reason="part of the test below")
@pytest.mark.parametrize("reserve", [0, 4 * MEBIBYTE], ids=["to the last byte", "with a reserve"])
def test_inside(plant, small_disk, reserve):
    witness = plant.provider(latency_ms=1500, latency_spread=0)
    worker = plant.worker(data_dir=small_disk, min_free_bytes=reserve, rpm=1200, lease_seconds=60)
    plant.settings = plant.settings_with(data_dir=small_disk)  # the logs are elsewhere
    batch_id = plant.submit(*many(150))
    eventually(lambda: witness.count("in_flight") > 15, 40)

    fill(small_disk / "filler", reserve)
    eventually(lambda: witness.count("in_flight") == 0, 40)  # no call departs any more
    received = witness.count("received")
    assert received < 150
    assert free_bytes(small_disk) < max(reserve, MEBIBYTE)
    (small_disk / "filler").unlink()

    assert plant.finished(batch_id, 60).succeeded == 150
    assert worker.process.poll() is None
    account = check(plant.store.db, [witness])
    assert (account.calls, account.ambiguous) == (150, 0)
    eventually(lambda: not any(path.stat().st_size for path in (small_disk / "spool").glob("*")))


@pytest.mark.parametrize("how_far", ["last", "reserve"])
def test_nothing_is_lost_and_nothing_called_in_vain_while_the_disk_is_full(how_far):
    if not shutil.which("unshare"):
        servers.missing("unshare")
    chosen = f"test_inside and {how_far}"
    again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__]
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *again],
        cwd=ROOT,
        env={**os.environ, INSIDE: "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "1 passed" in ran.stdout


def fill(path: Path, left: int) -> None:
    """Write until no more than `left` is free: another program's file that grows."""
    with path.open("wb", buffering=0) as out:
        try:
            while (free := free_bytes(path.parent)) > left:
                out.write(bytes(min(64 * 1024, free - left)))
        except OSError:
            return
