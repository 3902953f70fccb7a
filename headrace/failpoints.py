"""Named places where a test may have the process die, hang or fail. Inert unless the environment asks.

`HEADRACE_FAILPOINTS="departed=kill@3, before-commit=raise%5"`: kill at the third pass of `departed`; raise at
each pass of `before-commit` with a chance of 5 %, drawn with the seed in `HEADRACE_FAILPOINTS_SEED`. Actions:
`kill` (SIGKILL to this process), `raise` (a FailpointHit) and `hang:SECONDS`.
"""

import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

FORM = re.compile(
    r"(?P<name>[a-z-]+)=(?P<action>kill|raise|hang):?(?P<seconds>[0-9.]*)(?P<when>[@%]?)(?P<number>\d*)"
)


class FailpointHit(Exception):
    """Raised where the environment asked for it."""


@dataclass
class _Failpoint:
    """What happens at one place: at the n-th pass (`@`), or with a chance of n % at each pass (`%`)."""

    action: str
    seconds: float
    when: str
    number: int
    chance: random.Random
    passes: int = 0

    def reach(self, error: Callable[[], Exception]) -> None:
        self.passes += 1
        if self.when == "%":
            if self.chance.random() * 100 >= self.number:
                return
        elif self.passes != self.number:
            return
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "hang":
            time.sleep(self.seconds)
        else:
            raise error()


def failpoint(name: str, error: Callable[[], Exception] = FailpointHit) -> None:
    """Pass a named place; `error` makes what a failure at this place looks like."""
    if name in _active:
        _active[name].reach(error)


def parsed(text: str, seed: int) -> dict[str, _Failpoint]:
    """The failpoints that `text` names. Raises ValueError, with the part that is wrong."""
    found: dict[str, _Failpoint] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        form = FORM.fullmatch(part)
        if form is None:
            raise ValueError(f"HEADRACE_FAILPOINTS: {part!r} is not like 'departed=kill@3'")
        found[form["name"]] = _Failpoint(
            action=form["action"],
            seconds=float(form["seconds"] or 0),
            when=form["when"] or "@",
            number=int(form["number"] or 1),
            chance=random.Random(f"{seed} {form['name']}"),
        )
    return found


_active = parsed(
    os.environ.get("HEADRACE_FAILPOINTS", ""), int(os.environ.get("HEADRACE_FAILPOINTS_SEED", "0"))
)
