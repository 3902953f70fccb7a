"""Prices and usages that tests draw."""

from decimal import Decimal

from hypothesis import strategies as st

from headrace.pricing import Price, Rates, Tier
from headrace.usage import Usage

TIERS = ["", "auto", "default", "flex", "priority"]

amounts = st.decimals(min_value=0, max_value=1000, places=4)
maybe = st.none() | amounts
rates = st.builds(
    Rates,
    input=amounts,
    cached_input=maybe,
    cache_write=maybe,
    audio_input=maybe,
    output=amounts,
    audio_output=maybe,
)
prices = st.builds(
    Price,
    provider=st.just("p"),
    model=st.just("m"),
    rates=rates,
    tiers=st.lists(
        st.builds(Tier, st.integers(0, 5000), rates), max_size=3, unique_by=lambda tier: tier.above
    ).map(tuple),
    per_request=amounts,
    discount=st.decimals(min_value=0, max_value=1, places=3),
    service_tiers=st.dictionaries(
        st.sampled_from(["flex", "priority"]),
        st.decimals(min_value=0, max_value=4, places=3) | st.just(Decimal(5) / 3),
    ).map(lambda factors: tuple(sorted(factors.items()))),
)


@st.composite
def usages(draw: st.DrawFn, most: int = 10_000) -> Usage:
    """Of a call: its parts add up to no more than the whole."""
    prompt, completion = draw(st.integers(0, most)), draw(st.integers(0, most))
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    heard = draw(st.sampled_from([0, draw(st.integers(0, prompt - cached - written))]))
    said = draw(st.sampled_from([0, draw(st.integers(0, completion))]))
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=written,
        prompt_audio_tokens=heard,
        completion_tokens=completion,
        completion_audio_tokens=said,
    )
