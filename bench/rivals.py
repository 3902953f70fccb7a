"""Other people's ways to make many calls. Those that we do not depend on have an environment of their own."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.baseline import bare_loop, loops, sdk_loop
from bench.course import Course, timeout_seconds
from bench.cpu import CpuMeter
from bench.litellm_proxy import running_proxy
from bench.pace import Pace

HERE = Path(__file__).parent
INSTALLED = HERE.parent / ".venv/bench"
CURATOR = INSTALLED / "curator/bin/python"
CURATOR_LOOP = HERE / "peers/curator_loop.py"
LITELLM = INSTALLED / "litellm/bin/litellm"


class Rival(NamedTuple):
    """Makes the calls of an input with so many in flight: one in `rarer` of the calls that we make.

    It is tried with each of `in_flight`. We promise to be so many `times` as fast; None: that is only stated.
    """

    key: str
    name: str
    times: int | None
    run: Callable[[Course, Path, int], Pace]
    in_flight: tuple[int, ...] = (100, 200, 400)
    rarer: int = 4
    program: Path = Path(sys.executable)

    def is_installed(self) -> bool:
        """Whether it can run here; `make bench` sees to it."""
        return self.program.exists()


def _sdk(course: Course, source: Path, in_flight: int) -> Pace:
    limit = timeout_seconds(course.jobs)
    return sdk_loop(course.provider.base_url, source, in_flight=in_flight, timeout_seconds=limit)


def _curator(course: Course, source: Path, in_flight: int) -> Pace:
    """Without its telemetry and its cache of answers; nothing is fetched."""
    folder = course.new_folder()
    alone = {
        "CURATOR_CACHE_DIR": str(folder),
        "CURATOR_DISABLE_CACHE": "1",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "HF_HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "none",
        "TELEMETRY_ENABLED": "0",
    }
    command = list(map(str, (CURATOR, CURATOR_LOOP, course.provider.base_url, source, in_flight)))
    return loops([command], timeout_seconds(course.jobs), alone, folder / "curator.log")


def _litellm(proxies: int, course: Course, source: Path, in_flight: int) -> Pace:
    """The bare loop makes the calls, one process a proxy. The CPU time is that of the proxies alone."""
    with ExitStack() as running:
        started = [
            running.enter_context(running_proxy(LITELLM, course.new_folder(), course.provider.base_url))
            for _ in range(proxies)
        ]
        meter = CpuMeter(dict(started))
        pace = bare_loop(
            [base_url for base_url, _ in started],
            source,
            in_flight=in_flight,
            timeout_seconds=timeout_seconds(course.jobs),
        )
        return replace(pace, cpu_seconds=sum(meter.spent().values()))


RIVALS = (
    Rival("sdk", "official async SDK", 3, _sdk),
    Rival("curator", "curator", 3, _curator, program=CURATOR),
    Rival("litellm", "LiteLLM proxy", 10, partial(_litellm, 1), (50, 100, 200), 20, LITELLM),
    Rival("litellm-2", "LiteLLM proxy, 2 processes", None, partial(_litellm, 2), (100, 200), 20, LITELLM),
)
