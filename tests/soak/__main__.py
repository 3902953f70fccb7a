"""`python -m tests.soak`: a whole stack under load, with a random fault every 5 to 20 s."""

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tests.soak.run import Verdict, soak

Seconds = Annotated[float, typer.Option(min=10, help="How long faults happen; the drain comes behind it.")]
Seed = Annotated[int, typer.Option(help="Of the faults and their times.")]
Which = Annotated[str, typer.Option("--database", help="sqlite or postgresql.")]
Folder = Annotated[Path | None, typer.Option(help="For data, logs and the summary.")]


def main(seconds: Seconds = 1800, seed: Seed = 1, database: Which = "sqlite", folder: Folder = None) -> None:
    """Soak; the exit status is 1 when an invariant is violated or memory, descriptors or threads grow."""
    if database not in ("sqlite", "postgresql"):
        raise typer.BadParameter("it is sqlite or postgresql", param_hint="--database")
    place = folder or Path(tempfile.mkdtemp(prefix="headrace-soak-"))
    place.mkdir(parents=True, exist_ok=True)
    verdict = soak(database, seconds, seed, place)
    (place / "summary.json").write_text(json.dumps(asdict(verdict), indent=2))
    show(verdict)
    if folder or verdict.violations:
        print(f"data, logs and summary.json are in {place}")
    else:
        shutil.rmtree(place)
    sys.exit(1 if verdict.violations else 0)


def show(verdict: Verdict) -> None:
    """The table, and what was violated."""
    for name, value in verdict.summary.items():
        rows = value if isinstance(value, dict) else {name: value}
        for key, number in rows.items():
            print(f"  {key:<24} {number}")
    print(f"  {'process':<24} {'measure':<12} {'earlier':>12} {'later':>12}")
    for one in verdict.growths:
        grows = "" if one.is_flat else "GROWS"
        print(f"  {one.process:<24} {one.measure:<12} {one.first:>12} {one.last:>12} {grows}")
    print(*(verdict.violations or ["no violation"]), sep="\n")


if __name__ == "__main__":
    typer.run(main)
