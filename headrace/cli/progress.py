"""How far a batch is: a bar on a terminal, a line every second or so elsewhere."""

import time
from collections import deque
from types import TracebackType
from typing import Self

import typer
from rich.progress import BarColumn, Progress, TextColumn

from headrace.cli.terminal import console, shown
from headrace.client import BatchView
from headrace.money import shown as usd
from headrace.projection import projected_cost

RATE_WINDOW_SECONDS = 20.0
LINE_SECONDS = 1.0
QUIET_SECONDS = 15.0


def display() -> "Display":
    """What suits standard output."""
    return _Bar() if console.is_terminal else Display()


class Display:
    """Shows a batch while its context is open: in plain lines, if no subclass does it better."""

    def __init__(self) -> None:
        self._pace = _Pace()
        self._notice: str | None = None
        self._last = self._said = ""
        self._said_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last state stays on the screen."""
        if self._last != self._said:
            self._say(self._last)

    def show(self, batch: BatchView) -> None:
        """The batch as it is now."""
        self._pace.add(batch.done)
        if batch.notice and batch.notice != self._notice:
            self._say(f"note: {shown(batch.notice)}")
        self._notice = batch.notice
        self._draw(batch, self._summary(batch))

    def _draw(self, batch: BatchView, summary: str) -> None:
        self._last = f"{batch.status:<11}  {summary}"
        quiet = time.monotonic() - self._said_at
        if quiet > QUIET_SECONDS or (quiet > LINE_SECONDS and self._last != self._said):
            self._say(self._last)
            self._said, self._said_at = self._last, time.monotonic()

    def _say(self, text: str) -> None:
        typer.echo(text)

    def _summary(self, batch: BatchView) -> str:
        rate = self._pace.per_minute
        eta = clock((batch.total - batch.done) / rate * 60) if rate else "-:--"
        return (
            f"{batch.done:,}/{batch.total:,}  {rate:,.0f}/min  ETA {eta}  "
            f"{batch.usage['total_tokens']:,} tokens  {_cost(batch)}{batch.failed:,} failed"
        )


class _Bar(Display):
    """A live bar."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[summary]}", markup=False),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, summary="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _draw(self, batch: BatchView, summary: str) -> None:
        self._bar.update(
            self._task,
            description=batch.status,
            total=batch.total or None,
            completed=batch.done,
            summary=summary,
        )

    def _say(self, text: str) -> None:
        self._bar.console.print(text, soft_wrap=True)


class _Pace:
    """How fast a count grows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        """The count as it is now."""
        now = time.monotonic()
        self._samples.append((now, count))
        while self._samples[0][0] < now - RATE_WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def per_minute(self) -> float:
        """Over the last seconds; 0 while nothing is known."""
        (began, before), (ended, after) = self._samples[0], self._samples[-1]
        return (after - before) / (ended - began) * 60 if ended > began else 0.0


def _cost(batch: BatchView) -> str:
    """What it cost so far, and will probably have cost; nothing while nothing with a known price."""
    if not batch.cost_nanos:
        return ""
    unknown = " + unknown" if batch.unpriced_calls else ""
    sofar = usd(batch.cost_nanos) + unknown
    expected = projected_cost(batch.total, batch.done, batch.cost_nanos, batch.doubtful_nanos)
    if expected is None or batch.done >= batch.total:
        return f"{sofar}  "
    return f"{sofar} of about {usd(expected.expected)}{unknown}  "


def clock(seconds: float) -> str:
    """As M:SS or H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
