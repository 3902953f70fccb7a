"""A soak from its start to its verdict."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from sqlalchemy.exc import SQLAlchemyError

from headrace.client import Refused, Unreachable
from headrace.errors import Unavailable
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store import batches
from tests.invariants import Violated, check
from tests.pace import Limits, busiest
from tests.soak.calls import Reasons, unexplained_ends
from tests.soak.growth import Growth, growths, replaced
from tests.soak.load import Load, unfinished_jobs
from tests.soak.mischief import Mischief
from tests.soak.rig import CANARY, KEY, LEASE_SECONDS, RPM, SPARED, TPM, Rig, rig
from tests.soak.samples import Sample, look

PAUSE_SECONDS = (5.0, 20.0)
SAMPLE_SECONDS = 2.0
LOOK_SECONDS = 0.5
DRAIN_SECONDS = 300.0


@dataclass
class Verdict:
    """What a soak came to."""

    summary: dict[str, Any]
    growths: list[Growth]
    violations: list[str] = field(default_factory=list)


def soak(database: str, seconds: float, seed: int, folder: Path) -> Verdict:
    """Run it in `folder`, whose contents stay. Ctrl-C ends everything that it started."""
    chance = random.Random(seed)
    with rig(database, folder, seed) as running:
        load, mischief = Load(running, seed), Mischief(running, chance)
        load.start()
        try:
            samples = _faults(running, mischief, chance, seconds)
        finally:
            load.stop()
            mischief.calm()
        released = set[int]()
        drained = _drain(running, released)
        verdict = _verdict(running, load, mischief, samples, released)
        if drained is None:
            verdict.violations.append(f"I10 {unfinished_jobs(running)} jobs left after {DRAIN_SECONDS:g} s")
    verdict.summary |= {"database": database, "seed": seed, "seconds": seconds, "drained_seconds": drained}
    return verdict


def _faults(running: Rig, mischief: Mischief, chance: random.Random, seconds: float) -> list[Sample]:
    """Strike at random until the time is over; returns the samples taken meanwhile."""
    samples: list[Sample] = []
    start = time.monotonic()
    strike_at, sample_at = start + chance.uniform(*PAUSE_SECONDS), start
    while (now := time.monotonic()) < start + seconds:
        running.stack.check()
        if now >= sample_at:
            samples += look(running.stack.pids)
            sample_at = now + SAMPLE_SECONDS
        if now >= strike_at:
            print(f"{now - start:6.0f} s  {mischief.strike()}", flush=True)
            strike_at = time.monotonic() + chance.uniform(*PAUSE_SECONDS)
        time.sleep(LOOK_SECONDS)
    return samples


def _drain(running: Rig, released: set[int]) -> float | None:
    """Wait for the backlog, sending held jobs again as a person would; the seconds, None if it stays."""
    start = time.monotonic()
    while time.monotonic() - start < DRAIN_SECONDS:
        try:
            if not unfinished_jobs(running):
                return round(time.monotonic() - start, 1)
            held = list(running.client.held())
            released |= {int(job.id.removeprefix("job_")) for job in held}
            for batch_id in {job.batch_id for job in held if job.batch_id}:
                running.client.release_batch(batch_id, "queue")
        except (SQLAlchemyError, Refused, Unreachable) as error:
            print(f"          not yet: {error}", flush=True)
        time.sleep(LOOK_SECONDS)
    return None


def _verdict(
    running: Rig, load: Load, mischief: Mischief, samples: list[Sample], released: set[int]
) -> Verdict:
    account, violations = _checked(running, load, mischief, released)
    reasons = Reasons(mischief.processes.struck, LEASE_SECONDS, mischief.network)
    calls = running.witness.calls()
    violations += [*_lost(running, load), *unexplained_ends(running.db, calls, reasons)]
    try:
        running.stack.check()
    except Unavailable as error:
        violations.append(f"I10 the stack gave up: {error}")
    grown = growths(samples, SPARED)
    violations += [
        f"row 35: {one.measure} of {one.process} from {one.first} to {one.last}"
        for one in grown
        if not one.is_flat
    ]
    violations += [f"row 35: {name} did not live as long as the soak" for name in replaced(samples, SPARED)]
    struck = mischief.processes.struck
    summary = {
        "account": account,
        "busiest_minute": dict(zip(("requests", "tokens"), busiest(calls), strict=True)),
        "batches": len(load.accepted),
        "cancelled": len(mischief.cancelled),
        "faults": dict(mischief.done),
        "open_calls_at_kills": sum(one.open_calls for one in struck if one.was_killed),
        "open_calls_at_stops": sum(one.open_calls for one in struck if not one.was_killed),
        "released": len(released),
        "refused_submissions": len(load.refusals),
    }
    return Verdict(summary, grown, violations)


def _checked(
    running: Rig, load: Load, mischief: Mischief, released: set[int]
) -> tuple[dict[str, Any], list[str]]:
    """The account, and what violates the invariants."""
    with redis.Redis.from_url(running.redis_url) as client:
        try:
            account = check(
                running.db,
                [running.witness],
                files=running.stack.settings.files_dir,
                redis=client,
                limits=Limits(rpm=RPM, tpm=TPM, held_up=mischief.held_up()),
                logs=[running.stack.folder.logs],
                bodies=[*load.refusals, *mischief.refusals],
                secrets=[KEY, CANARY],
                cancelled=mischief.cancelled,
                released=released,
            )
        except Violated as violated:
            return {}, violated.found
    return account._asdict(), []


def _lost(running: Rig, load: Load) -> list[str]:
    """Batches that were accepted and are not there, not whole, or not final."""
    found = []
    with running.db.read() as session:
        for batch_id, lines in load.accepted.items():
            batch = batches.get(session, batch_id)
            if batch is None or batch.status not in BATCH_FINAL:
                found.append(f"I1 accepted, and {batch.status if batch else 'not there'}: {batch_id}")
            elif batch.total != lines and batch.status != BatchStatus.CANCELLED:
                found.append(f"I1 accepted with {lines} lines, and has {batch.total}: {batch_id}")
    return found
