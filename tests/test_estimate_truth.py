"""The estimate before against the bill after, of three kinds of prompts; the provider counts exactly."""

from datetime import UTC, datetime

import pytest
import requests

from headrace.config import Config
from headrace.estimating import Asked, Estimator
from headrace.lengths import Experience, Lengths
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.simulated import FAST
from tests.workloads import chinese, code, english

AT = datetime(2026, 7, 1, tzinfo=UTC)
CHAT = "/v1/chat/completions"
KNOWN, UNKNOWN = "gpt-4o-mini", "house-model"  # whose vocabulary we know, and whose we do not
SAMPLE, ALL = 40, 140
PRICES = {"input": 2, "output": 3}
CONFIG = Config.model_validate(
    {
        "providers": {"p": {"name": "p", "base_url": "http://127.0.0.1:1/v1"}},
        "quotas": {"q": {"name": "q", "provider": "p", "rpm": 100}},
        "prices": {name: {"name": name, "model": name, **PRICES} for name in (KNOWN, UNKNOWN)},
    }
)


@pytest.fixture(scope="module")
def simulator():
    # Cached tokens cost like others here: what a provider caches, nobody knows before.
    prices = ((UNKNOWN, "2,2,3"),)
    with SimulatorProcess(SimulatorConfig(**FAST, count="o200k", prices=prices)) as simulator:
        yield simulator


def body(model, text):
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text}]
    return {"model": model, "messages": messages, "max_tokens": 90}


def usages(simulator, texts):
    """What the provider says that each call used."""
    with requests.Session() as session:
        url = f"{simulator.base_url}/chat/completions"
        answers = [session.post(url, json=body(UNKNOWN, text), timeout=30) for text in texts]
    return [answer.json()["usage"] for answer in answers]


def estimated(model, texts, seen):
    known = {model: Experience(Lengths(seen))}
    return (
        Estimator(CONFIG, known, AT)
        .estimate(Asked(1, CHAT, model, body(model, text)) for text in texts)
        .total
    )


@pytest.mark.parametrize("workload", [english, chinese, code])
def test_the_cost_is_known_before_within_15_percent_and_its_prompts_within_3_if_counted(simulator, workload):
    texts = [workload(number) for number in range(ALL)]
    seen = [usage["completion_tokens"] for usage in usages(simulator, texts[:SAMPLE])]
    rest = texts[SAMPLE:]

    by_bytes, counted = estimated(UNKNOWN, rest, seen), estimated(KNOWN, rest, seen)
    before = simulator.stats()["billed_nanos"]
    used = usages(simulator, rest)

    billed = simulator.stats()["billed_nanos"] - before
    prompts = sum(usage["prompt_tokens"] for usage in used)
    print(workload.__name__, by_bytes.cost, counted.cost, billed, by_bytes.prompt_tokens, prompts)
    assert by_bytes.cost is not None
    assert counted.cost is not None
    assert by_bytes.cost.expected == pytest.approx(billed, rel=0.15)
    assert by_bytes.prompt_tokens == pytest.approx(prompts, rel=0.15)
    assert counted.cost.expected == pytest.approx(billed, rel=0.15)
    assert counted.prompt_tokens == pytest.approx(prompts, rel=0.03)
    assert by_bytes.cost.low <= billed <= by_bytes.cost.high
    assert counted.exact
    assert not by_bytes.exact
