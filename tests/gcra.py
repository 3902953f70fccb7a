"""The limiter's script twice: itself, called directly, and a plain model of what it should do."""

from headrace import limits

SECOND = 1_000_000
HORIZON = 2 * SECOND
FORGET = 20 * SECOND
SLOW_START = 10 * SECOND
CAUTION = SECOND // 4
START = SECOND * 3 // 4
PROBES = 3
PROBATION = 10 * SECOND
CAP = 6

# Name, microseconds of a unit, burst: 10 requests and 1,000 tokens a second, all whole numbers.
METERS = (("requests", 100_000, SECOND), ("tokens", 1_000, SECOND))


class Caller:
    """Calls the script as its header says, and remembers what a limiter remembers."""

    def __init__(self, client):
        self.client = client
        self.lua = client.register_script(limits.script())
        self.forget()

    def forget(self):
        self.made, self.informed, self.empty_at = 0, 0, {}

    @property
    def knowledge(self):
        return self.made, dict(self.empty_at)

    def __call__(self, verb, lane, meters, *arguments):
        stated = [verb, lane, self.made or "", HORIZON, len(meters)]
        for name, unit, burst in meters:
            stated += [name, unit, burst, self.empty_at.get(name, 0)]
        return self.lua(keys=["{q}", "{q}:in-flight"], args=[*stated, *arguments])

    def book(self, lane, calls, meters=METERS, cap=CAP):
        """`calls` are ids and tokens; returns the server's time, the wait, and the slots."""
        asked = [value for call_id, units in calls for value in (call_id, 1, units)]
        stated = (cap, FORGET, self.informed or "", len(calls))
        learned = self._learn(meters, self("book", lane, meters, *stated, *asked))
        self.informed = self.made
        return learned

    def settle(self, call_id, lane, showed, requests, tokens, meters=METERS):
        reply = self("settle", "", meters, 1, call_id, lane, showed, requests, tokens)
        return self._learn(meters, reply)

    def lapse(self, microseconds):
        if self.made:
            self.made -= microseconds
        if self.informed:
            self.informed -= microseconds
        self.empty_at = {name: at - microseconds for name, at in self.empty_at.items()}

    def _learn(self, meters, reply):
        self.made, *values = map(int, reply)
        names = [name for name, *_ in meters]
        self.empty_at = dict(zip(names, values, strict=False))
        return values[len(names) :]


class Model:
    """Buckets that leak a microsecond each microsecond: a call goes when its cost fits above what is left."""

    def __init__(self):
        self.made = 0
        self.lift_at: int | None = None
        self.empty_at: dict[str, int] = {}
        self.closed_until: dict[str, int] = {}
        self.reason: dict[str, str] = {}
        self.slow_until = self.last = 0
        self.flying: dict[str, int] = {}
        self.accepted: set[str] = set()  # lanes; "" is the whole quota
        self.probed_at: dict[str, int] = {}
        self.probes: dict[str, list[str]] = {}

    def recall(self, now, made, empty_at):
        """What a caller knows of a quota that this one may have taken the place of."""
        for name, *_ in METERS:
            self.empty_at.setdefault(name, now)
        first = not self.made
        if first:
            self.made = now
        if first and not made:
            self.lift_at = now + START
        elif made not in (0, self.made):
            for name, _, burst in METERS:
                known = min(empty_at[name], now + 60 * burst)
                self.empty_at[name] = max(self.empty_at[name], known, self.made + HORIZON + burst)
            self.lift_at = None
        elif self.lift_at is not None and now > self.lift_at:
            self.pay_lift()

    def pay_lift(self):
        self.lift_at = None
        self.empty_at = {name: self.empty_at[name] + burst + CAUTION for name, _, burst in METERS}

    def book(self, now, lane, calls, knowledge, informed):
        self.recall(now, *knowledge)
        self.flying = {call_id: until for call_id, until in self.flying.items() if until > now}
        for name, _, burst in METERS:
            self.empty_at[name] = max(self.empty_at[name], self.closed_until.get("", 0) + burst)
        room = CAP - len(self.flying) if informed in (0, self.made) else 0
        doubted = [scope for scope in ("", f":{lane}") if self.is_doubted(now, scope)]
        room = min([room, *(PROBES - len(self.probes.get(scope, [])) for scope in doubted)])
        slots: list[int] = []
        for call_id, tokens in calls:
            slot = self.slot(now, lane, tokens)
            if self.lift_at is not None and slot > self.lift_at:
                self.pay_lift()
                slot = self.slot(now, lane, tokens)
            if slot > now + HORIZON or len(slots) >= room:
                return max(slot - now, 0), slots
            for name, cost, _ in self.costs(tokens):
                pace = 2 if slot < self.slow_until else 1
                self.empty_at[name] = max(self.empty_at[name], slot) + cost * pace
            self.flying[call_id] = slot + FORGET
            self.last = max(self.last, slot)
            for scope in doubted:
                self.probed_at.setdefault(scope, slot)
                self.probes.setdefault(scope, []).append(call_id)
            slots.append(slot)
        return -1, slots

    def slot(self, now, lane, tokens):
        opens = [now, self.closed_until.get("", 0), self.closed_until.get(lane, 0)]
        fits = [self.empty_at[name] - max(burst - cost, 0) for name, cost, burst in self.costs(tokens)]
        return max(opens + fits)

    def costs(self, tokens):
        return [(name, unit * (tokens if name == "tokens" else 1), burst) for name, unit, burst in METERS]

    def is_doubted(self, now, scope):
        if now >= self.probed_at.get(scope, now + 1) + PROBATION:
            self.accept(scope)
        return scope not in self.accepted

    def accept(self, scope):
        self.doubt(scope)
        self.accepted.add(scope)

    def doubt(self, scope):
        self.accepted.discard(scope)
        self.probed_at.pop(scope, None)
        self.probes.pop(scope, None)

    def settle(self, now, call, showed, requests, tokens, knowledge):
        self.recall(now, *knowledge)
        call_id, lane = call
        self.flying.pop(call_id, None)
        for scope in ("", f":{lane}"):
            probes = self.probes.get(scope, [])
            if call_id in probes and showed == 1:
                self.accept(scope)
            elif call_id in probes and showed == -1:
                probes.remove(call_id)
                if not probes:
                    self.doubt(scope)
        for (name, unit, _), units in zip(METERS, (requests, tokens), strict=True):
            held = min(self.empty_at[name], self.last) if showed == -1 else now
            self.empty_at[name] = max(now, held, self.empty_at[name] + units * unit)

    def renew(self, now, call_ids, made):
        known = self.flying if made in (0, self.made) else call_ids
        self.flying.update({call_id: now + FORGET for call_id in call_ids if call_id in known})

    def pause(self, now, lane, duration, reason, refused):
        if now + duration > self.closed_until.get(lane, 0):
            self.closed_until[lane], self.reason[lane] = now + duration, reason
            if not lane:
                self.slow_until = now + duration + SLOW_START
        if refused:
            doubted = [f":{lane}"] if lane else [*self.accepted, *self.probes]
            for scope in doubted if "" in self.accepted else [*doubted, ""]:
                self.doubt(scope)

    def look(self, now, lane):
        flying = [call_id for call_id, until in self.flying.items() if until > now]
        all_, one = self.closed_until.get("", 0), self.closed_until.get(lane, 0)
        reason = self.reason.get(lane if one > all_ else "", "")
        return [max(all_, one), reason, len(flying)]

    def lapse(self, microseconds):
        for times in (self.empty_at, self.closed_until, self.flying, self.probed_at):
            times.update({key: at - microseconds for key, at in times.items()})
        self.slow_until -= microseconds
        self.last -= microseconds
        if self.made:
            self.made -= microseconds
        if self.lift_at is not None:
            self.lift_at -= microseconds
