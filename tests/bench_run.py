"""A program of the bench, run as people run it, in an environment that points elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[1]
HOSTILE = {"HEADRACE_DATABASE_URL": "postgresql://127.0.0.1:1/none", "HEADRACE_RPM": "1"}
TIMEOUT_SECONDS = 200


def figures_of(program, folder, *options):
    """What it wrote as its figures. `folder` is where it runs, and where its own folders would be left."""
    written = folder / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "bench", program, *options, f"--json={written}"],
        cwd=folder,
        env=os.environ | HOSTILE | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return orjson.loads(written.read_bytes())["programs"][program.replace("-", "_")]
