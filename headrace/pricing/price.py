"""A price that a provider asks for a model, and what a call costs at it. Nothing here waits or looks up."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

from headrace.money import nanos
from headrace.usage import Usage

MILLION = 1_000_000
ID_BYTES = 8
STANDARD = frozenset({"", "auto", "default", "standard"})
"""Service tiers that are billed at the price itself."""
UNSAID = frozenset({"", "auto"})
"""Those of requests that leave the tier to the provider."""


@dataclass(frozen=True, slots=True)
class Rates:
    """USD for a million tokens. Cached input and cache writes cost like other input unless a rate is given.

    What else has no rate is of unknown cost: sound, for instance, is not priced like text.
    """

    input: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    audio_input: Decimal | None = None
    output: Decimal | None = None
    audio_output: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for the tokens of a call; None if a rate is missing that they need, or they do not add up.

        Nor is it known of a call with both sound and a cache: no answer says how much of the cache is sound.
        """
        heard, said = usage.prompt_audio_tokens, usage.completion_audio_tokens
        cached = usage.cached_tokens + usage.cache_write_tokens
        read, written = usage.prompt_tokens - cached - heard, usage.completion_tokens - said
        if read < 0 or written < 0 or (heard and cached):
            return None
        billed = (
            (read, self.input),
            (usage.cached_tokens, self.input if self.cached_input is None else self.cached_input),
            (usage.cache_write_tokens, self.input if self.cache_write is None else self.cache_write),
            (heard, self.audio_input),
            (written, self.output),
            (said, self.audio_output),
        )
        amount = Decimal()
        for tokens, rate in billed:
            if tokens:
                if rate is None:
                    return None
                amount += tokens * rate
        return amount / MILLION

    def dearest_input(self) -> Decimal | None:
        """The most that a token of a prompt can cost; None if that is not known."""
        return _dearest(self.input, self.cached_input, self.cache_write, self.audio_input)

    def dearest_output(self) -> Decimal | None:
        """The same of a completion."""
        return _dearest(self.output, self.audio_output)


class Tier(NamedTuple):
    """Rates for all tokens of calls whose prompt is longer than `above` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True)
class Price:
    """What a provider asks for one of its models; with no rates it is not known.

    `source` says where it is from. `discount` is a share of everything, `service_tiers` has the factor of
    each tier of service that costs other than the standard (contract 4.1, `service_tier`).
    """

    provider: str
    model: str
    source: str = ""
    rates: Rates = Rates()
    tiers: tuple[Tier, ...] = ()
    per_request: Decimal = Decimal()
    discount: Decimal = Decimal()
    service_tiers: tuple[tuple[str, Decimal], ...] = ()
    note: str = ""

    @cached_property
    def is_known(self) -> bool:
        """Whether anything of it is."""
        return self.rates != Rates() or bool(self.per_request)

    def cost(self, usage: Usage, service_tier: str = "") -> int | None:
        """Nanos for a call that used so much, served in such a tier; None if they are not known."""
        factor = self._factors.get(service_tier)
        amount = self._rates_for(usage.prompt_tokens).cost(usage) if self.is_known else None
        if factor is None or amount is None:
            return None
        return nanos((amount + self.per_request) * factor)

    def at_most(
        self, prompt_tokens: int, completion_tokens: int, service_tier: str = "", *, sound: bool = False
    ) -> int | None:
        """Nanos that a call can cost at most which can use so many tokens; None if they are not known.

        `service_tier` is what the call asks for; one that leaves it to the provider may get the dearest, and
        any may be served at the standard. `sound`: it hears or speaks, or may.
        """
        if sound and not self._prices_sound:
            return None
        factor = self._factors.get(service_tier)
        if factor is None or not self.is_known:
            return None
        factor = max(self._factors.values() if service_tier in UNSAID else (factor, self._factors[""]))
        _, most_input, most_output = next(each for each in self._dearest if each[0] < prompt_tokens)
        amount = Decimal()
        for tokens, rate in ((prompt_tokens, most_input), (completion_tokens, most_output)):
            if tokens and rate is None:
                return None
            amount += tokens * (rate or 0)
        return nanos((amount / MILLION + self.per_request) * factor, up=True)

    @cached_property
    def _prices_sound(self) -> bool:
        each = (self.rates, *(tier.rates for tier in self.tiers))
        return all(None not in (rates.audio_input, rates.audio_output) for rates in each)

    @cached_property
    def id(self) -> str:
        """The same for equal prices, and for no others."""
        named = json.dumps([self.provider, self.model, self.source, self.terms])
        return "price_" + blake2b(named.encode(), digest_size=ID_BYTES).hexdigest()

    @cached_property
    def terms(self) -> str:
        """All that decides about costs, as JSON; amounts as text."""
        said = {
            "rates": _written(self.rates),
            "tiers": [[tier.above, _written(tier.rates)] for tier in self.tiers],
            "per_request": str(self.per_request),
            "discount": str(self.discount),
            "service_tiers": {name: str(factor) for name, factor in self.service_tiers},
            "note": self.note,
        }
        return json.dumps(said, sort_keys=True)

    @classmethod
    def of(cls, provider: str, model: str, source: str, terms: str) -> "Price":
        """From what was kept of it."""
        said = json.loads(terms)
        return cls(
            provider=provider,
            model=model,
            source=source,
            rates=_read(said["rates"]),
            tiers=tuple(Tier(above, _read(rates)) for above, rates in said["tiers"]),
            per_request=Decimal(said["per_request"]),
            discount=Decimal(said["discount"]),
            service_tiers=tuple((name, Decimal(factor)) for name, factor in said["service_tiers"].items()),
            note=said["note"],
        )

    @cached_property
    def _factors(self) -> dict[str, Decimal]:
        """By tier of service, with the discount. A tier that is not among them costs nobody knows what."""
        usual = dict.fromkeys(STANDARD, Decimal(1))
        return {
            name: factor * (1 - self.discount) for name, factor in (usual | dict(self.service_tiers)).items()
        }

    @cached_property
    def _dearest(self) -> list[tuple[int, Decimal | None, Decimal | None]]:
        """Of prompts longer than so many tokens, what one of input and output can cost; the longest first."""
        found = [(-1, self.rates.dearest_input(), self.rates.dearest_output())]
        for above, rates in sorted(self.tiers, key=lambda tier: tier.above):
            _, most_input, most_output = found[-1]
            dearest = _most(most_input, rates.dearest_input()), _most(most_output, rates.dearest_output())
            found.append((above, *dearest))
        return found[::-1]

    def _rates_for(self, prompt_tokens: int) -> Rates:
        reached = [tier for tier in self.tiers if prompt_tokens > tier.above]
        return max(reached, key=lambda tier: tier.above).rates if reached else self.rates


def _dearest(first: Decimal | None, *others: Decimal | None) -> Decimal | None:
    return None if first is None else max(first, *(rate for rate in others if rate is not None), Decimal())


def _most(first: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if first is None or other is None else max(first, other)


def _written(rates: Rates) -> dict[str, str]:
    return {name: str(rate) for name, rate in asdict(rates).items() if rate is not None}


def _read(said: Mapping[str, Any]) -> Rates:
    return Rates(**{field.name: Decimal(said[field.name]) for field in fields(Rates) if field.name in said})
