"""Everything that can be asked of a simulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from headrace.simulator.counting import CountKind, counter_for
from headrace.simulator.faults import LIST_FAULTS, parse_fault
from headrace.simulator.limits import WindowKind
from headrace.simulator.prices import parse_price

ChargeKind = Literal["usage", "reserve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Options of one simulator; `headrace simulate --help` explains each. Raises ValueError on nonsense."""

    rpm: int | None = None
    tpm: int | None = None
    max_in_flight: int | None = None
    window: WindowKind = "rolling"
    burst_seconds: float = 60.0
    charge: ChargeKind = "usage"
    count_refused: bool = False
    latency_ms: float = 200.0
    latency_spread: float = 0.2
    completion_tokens: int = 60
    count: CountKind = "bytes"
    cache_writes: bool = False
    audio: bool = False
    prices: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    hang_seconds: float = 3600.0
    drip_seconds: float = 1.0
    huge_bytes: int = 1_000_000_000
    max_body_bytes: int = 16 * 1024 * 1024
    key: str | None = None
    models: tuple[str, ...] = ("simulator-small", "simulator-large")
    models_fault: str | None = None
    log: Path | None = None
    fsync: bool = False

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.window not in get_args(WindowKind):
            raise ValueError(f"window must be one of {', '.join(get_args(WindowKind))}, not {self.window!r}")
        if self.charge not in get_args(ChargeKind):
            raise ValueError(f"charge must be one of {', '.join(get_args(ChargeKind))}, not {self.charge!r}")
        counter_for(self.count)
        for _, price in self.prices:
            parse_price(price)
        for kind, _ in self.faults:
            parse_fault(kind)
        if self.models_fault not in (None, *LIST_FAULTS):
            raise ValueError(f"models_fault must be one of {', '.join(LIST_FAULTS)}")
        if any(not 0 <= share <= 1 for _, share in self.faults) or sum(p for _, p in self.faults) > 1 + 1e-9:
            raise ValueError("fault probabilities must lie in 0..1 and add up to at most 1")

    def _check_numbers(self) -> None:
        for name in ("rpm", "tpm", "max_in_flight"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1, not {limit}")
        for name in (
            "burst_seconds",
            "completion_tokens",
            "drip_seconds",
            "max_body_bytes",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("latency_ms", "hang_seconds", "huge_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.latency_spread <= 1:
            raise ValueError(f"latency_spread must lie in 0..1, not {self.latency_spread}")
