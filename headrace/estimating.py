"""What requests will probably use, cost and take, before any of them is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from headrace.bodies import Fault
from headrace.config import Config, Route
from headrace.counting import TextCounter, exact_counter
from headrace.durations import Duration, Load, duration
from headrace.lengths import NEW, NOTHING, Experience, Range
from headrace.pricing.book import PriceBook
from headrace.text_tokens import text_tokens
from headrace.tokens import EMBEDDINGS, completion_cap, prompt_estimate
from headrace.usage import Usage

SHOWN_FAULTS = 100
DOUBT_PERCENT = 15  # of prompts that were not counted exactly
MOST_ANSWERS = 128


class Asked(NamedTuple):
    """A request that can run. `line` is its 1-based place."""

    line: int
    endpoint: str
    model: str
    body: Mapping[str, Any]


class FaultAt(NamedTuple):
    """A request that would be refused."""

    line: int
    fault: Fault


@dataclass(slots=True)
class Share:
    """A model's part of an estimate, or all of it.

    `cost` is nanos of the requests whose price is known, None if there are none; the others are counted.
    `exact`: all prompts were counted with the model's own vocabulary; `learned`: completions from history.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: Range = NOTHING
    cost: Range | None = None
    unpriced_requests: int = 0
    unpriced_tokens: int = 0
    exact: bool = True
    learned: bool = True

    def add(self, other: "Share") -> None:
        """Count another one in."""
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        if other.cost is not None:
            self.cost = (self.cost or NOTHING) + other.cost
        self.unpriced_requests += other.unpriced_requests
        self.unpriced_tokens += other.unpriced_tokens
        self.exact = self.exact and other.exact
        self.learned = self.learned and other.learned


@dataclass(slots=True)
class Estimate:
    """Of many requests: by model, in all, how long they take; and those that would be refused.

    `faults` has the first hundred of them, `refused` is how many there are.
    """

    models: dict[str, Share] = field(default_factory=dict)
    total: Share = field(default_factory=Share)
    duration: Duration | None = None
    faults: list[FaultAt] = field(default_factory=list)
    refused: int = 0


class Estimator:
    """Estimates requests for one configuration. `known` is what was learned of models, `at` when they go."""

    def __init__(self, config: Config, known: Mapping[str, Experience], at: datetime) -> None:
        self._config = config
        self._known = known
        self._at = at
        self._book = PriceBook(config)
        self._counters: dict[str, TextCounter | None] = {}

    def estimate(self, requests: Iterable[Asked | FaultAt]) -> Estimate:
        """Reads them once; keeps none of them."""
        made = Estimate()
        for one in requests:
            if isinstance(one, FaultAt):
                made.refused += 1
                if len(made.faults) < SHOWN_FAULTS:
                    made.faults.append(one)
                continue
            made.models.setdefault(one.model, Share()).add(self._share(one))
        for share in made.models.values():
            made.total.add(share)
        made.duration = duration(self._loads(made.models))
        return made

    def _share(self, one: Asked) -> Share:
        route = self._route(one.model)
        counter = self._counter(route.model)
        prompt = prompt_estimate(one.body, counter or text_tokens)
        lengths = self._known.get(one.model, NEW).lengths
        completion = NOTHING
        if one.endpoint != EMBEDDINGS:
            completion = lengths.of(completion_cap(one.body), _answers(one.body))
        cost = self._cost(one, prompt, completion, 0 if counter else DOUBT_PERCENT)
        return Share(
            requests=1,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost=cost,
            unpriced_requests=int(cost is None),
            unpriced_tokens=prompt + completion.expected if cost is None else 0,
            exact=counter is not None,
            learned=lengths.is_learned or one.endpoint == EMBEDDINGS,
        )

    def _cost(self, one: Asked, prompt: int, completion: Range, doubt: int) -> Range | None:
        price = self._book.price(one.model, self._route(one.model), self._at)
        asked = one.body.get("service_tier")
        tier = asked if isinstance(asked, str) else ""
        tokens = (
            (prompt * (100 - doubt) // 100, completion.low),
            (prompt, completion.expected),
            (-(-prompt * (100 + doubt) // 100), completion.high),
        )
        costs = [price.cost(Usage(prompt_tokens=p, completion_tokens=c), tier) for p, c in tokens]
        known = [cost for cost in costs if cost is not None]
        return Range(*known) if len(known) == len(costs) else None

    def _route(self, model: str) -> Route:
        route = self._config.route(model)
        assert route is not None, "a request for a model that is not configured is a fault"
        return route

    def _counter(self, model: str) -> TextCounter | None:
        if model not in self._counters:
            self._counters[model] = exact_counter(model)
        return self._counters[model]

    def _loads(self, models: Mapping[str, Share]) -> Iterable[Load]:
        """By quota; how long calls take is known of a quota if it is of each of its models."""
        loads: dict[str, Load] = {}
        for model, share in models.items():
            quota = self._route(model).quota
            before = loads.get(quota.name, Load(quota, 0, 0, 0.0))
            each = self._known.get(model, NEW).call_seconds
            seconds = None
            if each is not None and before.call_seconds is not None:
                seconds = before.call_seconds + each * share.requests
            tokens = share.prompt_tokens + share.completion_tokens.expected
            loads[quota.name] = Load(quota, before.requests + share.requests, before.tokens + tokens, seconds)
        return loads.values()


def _answers(body: Mapping[str, Any]) -> int:
    asked = body.get("n")
    return min(asked, MOST_ANSWERS) if isinstance(asked, int) and asked > 0 else 1
