"""limits.lua twice: the script itself, called directly, and a plain model of what it should do."""

from pathlib import Path

import headrace.limits

SECOND = 1_000_000
HORIZON = 2 * SECOND
FORGET = 20 * SECOND
SLOW_START = 10 * SECOND
CAP = 6

# Name, microseconds of a unit, burst: 10 requests and 1,000 tokens a second, all whole numbers.
METERS = (("requests", 100_000, SECOND), ("tokens", 1_000, SECOND))


class Script:
    """limits.lua, called as its header says: verb, lane, meters, then the verb's own arguments."""

    def __init__(self, client):
        self.client = client
        path = Path(headrace.limits.__file__).with_name("limits.lua")
        self.lua = client.register_script(path.read_text())

    def __call__(self, verb, lane, meters, *arguments):
        stated = [verb, lane, len(meters), *(value for meter in meters for value in meter), *arguments]
        return self.lua(keys=["{q}", "{q}:in-flight"], args=stated)


class Model:
    """Buckets that leak a microsecond each microsecond: a call goes when its cost fits above what is left."""

    def __init__(self):
        self.empty_at: dict[str, int] = {}
        self.closed_until: dict[str, int] = {}
        self.reason: dict[str, str] = {}
        self.slow_until = 0
        self.flying: dict[str, int] = {}

    def touch(self, now):
        for name, *_ in METERS:
            self.empty_at.setdefault(name, now)

    def book(self, now, lane, calls):
        self.touch(now)
        self.forget(now)
        for name, _, burst in METERS:
            self.empty_at[name] = max(self.empty_at[name], self.closed_until.get("", 0) + burst)
        slots: list[int] = []
        for call_id, tokens in calls:
            slot = self.slot(now, lane, tokens)
            if slot > now + HORIZON or len(self.flying) >= CAP:
                return max(slot - now, 0), slots
            for name, cost, _ in self.costs(tokens):
                pace = 2 if slot < self.slow_until else 1
                self.empty_at[name] = max(self.empty_at[name], slot) + cost * pace
            self.flying[call_id] = slot + FORGET
            slots.append(slot)
        return -1, slots

    def slot(self, now, lane, tokens):
        opens = [now, self.closed_until.get("", 0), self.closed_until.get(lane, 0)]
        fits = [self.empty_at[name] - max(burst - cost, 0) for name, cost, burst in self.costs(tokens)]
        return max(opens + fits)

    def costs(self, tokens):
        return [(name, unit * (tokens if name == "tokens" else 1), burst) for name, unit, burst in METERS]

    def settle(self, now, call_id, requests, tokens):
        self.touch(now)
        self.flying.pop(call_id, None)
        for (name, unit, _), units in zip(METERS, (requests, tokens), strict=True):
            self.empty_at[name] = max(now, self.empty_at[name] + units * unit)

    def pause(self, now, lane, duration, reason):
        if now + duration <= self.closed_until.get(lane, 0):
            return
        self.closed_until[lane], self.reason[lane] = now + duration, reason
        if not lane:
            self.slow_until = now + duration + SLOW_START

    def forget(self, now):
        self.flying = {call_id: until for call_id, until in self.flying.items() if until > now}

    def look(self, now, lane):
        self.forget(now)
        all_, one = self.closed_until.get("", 0), self.closed_until.get(lane, 0)
        reason = self.reason.get(lane if one > all_ else "", "")
        return [max(all_, one), reason, len(self.flying)]

    def lapse(self, microseconds):
        for times in (self.empty_at, self.closed_until, self.flying):
            times.update({key: at - microseconds for key, at in times.items()})
        self.slow_until -= microseconds
