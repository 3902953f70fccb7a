"""Slots in a quota, over any number of processes: book, settle, pause.

The arithmetic is in `limits.lua`, and in `trust.lua` how many calls may find out whether they are accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from headrace.config import Quota
from headrace.errors import Unavailable

AIM = 0.97
BURST_SECONDS = 1.0
HORIZON_SECONDS = 2.0
FORGET_SECONDS = 60.0
MINUTE_MICROSECONDS = 60_000_000
DAY_MICROSECONDS = 24 * 60 * MINUTE_MICROSECONDS
SOCKET_TIMEOUT_SECONDS = 5.0
POOL_SIZE = 50
KEY_PREFIX = "headrace"
SCRIPT = ("trust.lua", "limits.lua")


class Ask(NamedTuple):
    """A call that wants a slot: any unique id, and the tokens it is expected to use in all."""

    id: str
    tokens: int


class Settled(NamedTuple):
    """A booked call that ended: actual minus booked tokens, and whether it was sent at all.

    `accepted`: its answer showed that key, account and model of its `lane` are in order.
    """

    id: str
    tokens: int
    sent: bool = True
    lane: str = ""
    accepted: bool = False


class Booking(NamedTuple):
    """Seconds from now until each of the first slots; and, if not all got one, until the next may ask.

    A wait of 0: no place is free among the calls in flight (or among those that try out an account).
    `incarnation` is another one once Redis has forgotten the quota: then renew the calls in flight at once.
    """

    delays_seconds: list[float]
    wait_seconds: float | None
    incarnation: str


class Meter(NamedTuple):
    """One GCRA bucket: its name, the time that a unit takes, its burst, and whether it counts tokens."""

    name: str
    unit_microseconds: float
    burst_microseconds: float
    counts_tokens: bool


class Known(NamedTuple):
    """What a limiter last saw of a quota: when Redis made it, and the TAT of each meter (microseconds)."""

    incarnation: str
    tats: dict[str, str]


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A quota as it stands: how long it stays closed and why, and the calls in flight (where capped)."""

    paused_seconds: float
    reason: str
    in_flight: int


def connect(url: str) -> "Redis":
    """A Redis client that gives up after seconds, not never, and whose pool waits instead of raising."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=POOL_SIZE,
        timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_keepalive=True,
        health_check_interval=15,
        decode_responses=True,
    )
    return Redis(connection_pool=pool)


class Limiter:
    """The quotas of one Redis. Every method raises Unavailable when it does not answer: we fail closed.

    It remembers what it saw, so that a Redis that lost everything gives nothing a second time.
    """

    def __init__(self, redis: "Redis", *, aim: float = AIM, forget_seconds: float = FORGET_SECONDS) -> None:
        self._redis = redis
        self._aim = aim
        self._forget_microseconds = forget_seconds * 1e6
        self._script = redis.register_script(script())
        self._known: dict[str, Known] = {}

    def book(self, quota: Quota, lane: str, asks: Sequence[Ask], incarnation: str = "") -> Booking:
        """Take slots for the first of `asks` that have one within the horizon (2 s), in their order.

        `incarnation` is that of the caller's last booking. Where calls in flight are capped and it is not the
        present one, nothing is given: those of the caller have to be renewed first.
        """
        meters = self._meters(quota)
        arguments: list[str | float] = [
            quota.max_in_flight or 0,
            self._forget_microseconds,
            incarnation,
            len(asks),
        ]
        for ask in asks:
            arguments += [
                ask.id,
                *(ask.tokens if meter.counts_tokens else 1 for meter in meters),
            ]
        now, wait, *slots = map(float, self._move(quota, "book", lane, meters, arguments))
        delays = [(slot - now) / 1e6 for slot in slots]
        return Booking(delays, None if wait < 0 else wait / 1e6, self._known[_key(quota)].incarnation)

    def settle(self, quota: Quota, ended: Sequence[Settled]) -> None:
        """Correct bookings with what was really used, once each; what was never sent gives all back."""
        meters = self._meters(quota)
        arguments: list[str | float] = [len(ended)]
        for call in ended:
            requests, showed = (0, int(call.accepted)) if call.sent else (-1, -1)
            arguments += [
                call.id,
                call.lane,
                showed,
                *(call.tokens if meter.counts_tokens else requests for meter in meters),
            ]
        self._move(quota, "settle", "", meters, arguments)

    def renew(self, quota: Quota, ids: Sequence[str], incarnation: str = "") -> None:
        """These calls are still in flight: without that, a capped quota forgets them after a minute.

        Those that are not in flight any more stay out, unless Redis has forgotten the `incarnation` given.
        """
        arguments: list[str | float] = [self._forget_microseconds, len(ids), *ids]
        self._run(quota, "renew", "", [], arguments, incarnation)

    def pause(
        self, quota: Quota, seconds: float, reason: str, *, lane: str | None = None, refused: bool = False
    ) -> None:
        """Close the quota (or one lane of it) for everybody; a pause never shortens another.

        `refused`: not for its rate, but for its key, account or model. It reopens with a few calls.
        """
        arguments: list[str | float] = [seconds * 1e6, reason, int(lane is not None), int(refused)]
        self._run(quota, "pause", lane or "", [], arguments)

    def look(self, quota: Quota, lane: str = "") -> QuotaView:
        """The quota as it stands, for people."""
        now, until, reason, in_flight = self._run(quota, "look", lane, [], [])
        paused = max(0.0, (float(until) - float(now)) / 1e6)
        return QuotaView(paused, str(reason) if paused else "", int(in_flight))

    def _move(
        self, quota: Quota, verb: str, lane: str, meters: Sequence[Meter], arguments: Sequence[str | float]
    ) -> list[str]:
        """For verbs that move TATs: says what we know of the quota, and learns it anew."""
        key = _key(quota)
        incarnation = self._known[key].incarnation if key in self._known else ""
        incarnation, *reply = self._run(quota, verb, lane, meters, arguments, incarnation)
        names = [meter.name for meter in meters]
        self._known[key] = Known(incarnation, dict(zip(names, reply, strict=False)))
        return reply[len(names) :]

    def _run(
        self,
        quota: Quota,
        verb: str,
        lane: str,
        meters: Sequence[Meter],
        arguments: Sequence[str | float],
        incarnation: str = "",
    ) -> list[str]:
        key = _key(quota)
        tats = self._known[key].tats if key in self._known else {}
        stated: list[str | float] = [verb, lane, incarnation, HORIZON_SECONDS * 1e6, len(meters)]
        for meter in meters:
            stated += [meter.name, meter.unit_microseconds, meter.burst_microseconds, tats.get(meter.name, 0)]
        try:
            return list(self._script(keys=[key, f"{key}:in-flight"], args=[*stated, *arguments]))
        except RedisError as error:
            raise Unavailable(f"Redis does not answer: {error}") from error

    def _meters(self, quota: Quota) -> list[Meter]:
        """We aim below each limit, so that a rolling window and its burst, a sixtieth of it, stay within."""
        limits = (
            ("requests", quota.rpm, MINUTE_MICROSECONDS, False),
            ("tokens", quota.tpm, MINUTE_MICROSECONDS, True),
            ("requests-day", quota.rpd, DAY_MICROSECONDS, False),
            ("tokens-day", quota.tpd, DAY_MICROSECONDS, True),
        )
        burst = BURST_SECONDS * 1e6 / MINUTE_MICROSECONDS
        return [
            Meter(name, window / (limit * self._aim), window * burst, counts_tokens)
            for name, limit, window, counts_tokens in limits
            if limit
        ]


def script() -> str:
    """The Lua that moves a quota."""
    return "".join(Path(__file__).with_name(part).read_text(encoding="utf-8") for part in SCRIPT)


def _key(quota: Quota) -> str:
    return f"{KEY_PREFIX}:quota:{{{quota.provider}/{quota.name}}}"  # one hash tag: one slot in a cluster
