"""The lines of an input that become rows together: so many, of so many bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.bodies import Fault
from headrace.lines import Refused
from headrace.models import Batch
from headrace.store.jobs import NewJob
from headrace.store.refusing import BadLine
from worker.input_lines import Line, lines
from worker.line_check import LineCheck, LineRules, job_for, job_of

MOST_LINES = 500
MOST_BYTES = 8 * 1024 * 1024  # and one line more


@dataclass(slots=True)
class Slice:
    """Lines of an input that follow each other. `end` is the offset behind them.

    `broken`: the number and the fault of the line at which the reading ended.
    """

    end: int
    jobs: list[NewJob] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    bytes: int = 0
    broken: tuple[int, Fault] | None = None

    @property
    def lines(self) -> int:
        """How many lines."""
        return len(self.jobs) + len(self.bad)

    @property
    def is_full(self) -> bool:
        """Whether one line more is too many."""
        return self.lines >= MOST_LINES or self.bytes >= MOST_BYTES


def slices(source: Path, batch: Batch, rules: LineRules) -> Iterator[Slice]:
    """The lines of a batch's input that are no rows yet: what cannot run ends the reading or is skipped."""
    read = _skipping(source, batch, rules) if batch.skip_invalid else _until_a_fault(source, batch, rules)
    slice_ = Slice(batch.ingest_offset)
    for line, checked in read:
        if isinstance(checked, Fault):
            slice_.broken = (line.number, checked)
            break
        if isinstance(checked, NewJob):
            slice_.jobs.append(checked)
        else:
            slice_.bad.append(checked)
        slice_.end, slice_.bytes = line.end, slice_.bytes + len(line.raw)
        if slice_.is_full:
            yield slice_
            slice_ = Slice(line.end)
    if slice_.lines or slice_.broken:
        yield slice_


def _until_a_fault(source: Path, batch: Batch, rules: LineRules) -> Iterator[tuple[Line, NewJob | Fault]]:
    """Lines that were found to be good: settings that changed since then take none of them back."""
    known = rules._replace(knows_model=lambda _: True)
    unread = lines(source, batch.ingest_offset, skip_bom=not rules.strict)
    return ((line, job_of(line, known)) for line in unread)


def _skipping(source: Path, batch: Batch, rules: LineRules) -> Iterator[tuple[Line, NewJob | BadLine]]:
    """Good and bad lines. Those that are rows already are read again: the others are checked beside them."""
    check = LineCheck(rules)
    for line in lines(source, max_bytes=rules.max_bytes, skip_bom=not rules.strict):
        checked = check.next(line)
        if line.end > batch.ingest_offset:
            yield line, _bad(line, checked) if isinstance(checked, Refused) else job_for(line, checked, rules)


def _bad(line: Line, refused: Refused) -> BadLine:
    """The place is in the message: the line may have no name of its own."""
    message = f"{refused.fault.message} (line {line.number})"
    return BadLine(line.number, refused.custom_id, refused.model or "", refused.fault.code, message)
