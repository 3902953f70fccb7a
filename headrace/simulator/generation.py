"""What the pretended model writes: lengths, usage and text, all of them functions of the request's hash."""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import exp, log
from statistics import NormalDist

from headrace.simulator.call import Call, Usage
from headrace.simulator.config import SimulatorConfig
from headrace.simulator.tokens import BYTES_PER_TOKEN, count_text, has_cjk

LENGTH_SIGMA = 0.5
LENGTH_QUANTILES = 1024
CACHE_BLOCK = 128
QUOTED_CHARACTERS = 40
REFUSAL = "I'm sorry, but I can't help with that."

# Reasoning tokens for one token of visible text.
_EFFORT = {
    "minimal": 0.1,
    "low": 0.5,
    "medium": 1.0,
    "high": 2.0,
    "xhigh": 3.0,
    "max": 4.0,
}
_ENGLISH = (
    "Water waits above the gate and the channel brings the wheel just what it can take. When the stream is "
    "high the spare water stays in the pond, and when it is low the wheel turns slower but never stops. "
    "The miller watches the gate, counts the sacks and writes down each one as it leaves the stone. "
)
_CHINESE = (
    "水在闸门之上静静等候，水渠只引来水轮能够承受的水量。"
    "水大时多余的留在池中，水小时水轮转得慢些，却从不停下。"
)


@dataclass(slots=True)
class Choice:
    """One answer. `finish` is `stop`, `length` or `content_filter`; `tokens` counts text and reasoning."""

    tokens: int
    reasoning_tokens: int
    finish: str = "stop"
    text: str = ""
    refusal: str | None = None


def plan(call: Call, digest: bytes, config: SimulatorConfig) -> tuple[list[Choice], Usage]:
    """Lengths without texts. `digest` is the request's hash, of at least 32 bytes."""
    lengths = _lengths(config.completion_tokens)
    choices = [_choice(call, lengths[_turn(digest, index)]) for index in range(call.answers)]
    prompt = call.prompt_tokens
    # Embeddings have no answers, and their usage nothing but the prompt.
    cached = _cached(prompt, digest[8]) if choices else 0
    written = _cached(prompt - cached, digest[9]) if choices and config.cache_writes else 0
    completion = sum(choice.tokens for choice in choices)
    reasoning = sum(choice.reasoning_tokens for choice in choices)
    speaks = call.speaks and config.audio
    return choices, Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cache_write_tokens=written,
        prompt_audio_tokens=(prompt - cached - written) * digest[10] // 256 if speaks else 0,
        completion_audio_tokens=(completion - reasoning) * digest[11] // 256 if speaks else 0,
    )


def write(choices: list[Choice], question: str, digest: bytes, fault: str | None) -> None:
    """Put the texts in. The faults `filter` and `refusal` change what is said."""
    for index, choice in enumerate(choices):
        if fault == "filter":
            choice.finish = "content_filter"
        elif fault == "refusal":
            choice.finish, choice.refusal = "stop", REFUSAL
        else:
            choice.text = _text(question, choice.tokens - choice.reasoning_tokens, digest[16] + index)


@lru_cache(maxsize=1)
def _lengths(mean_tokens: int) -> list[int]:
    # Quantiles of a log-normal spread around the mean, as real answers have.
    centre, normal = log(mean_tokens) - LENGTH_SIGMA**2 / 2, NormalDist()
    quantiles = [normal.inv_cdf((index + 0.5) / LENGTH_QUANTILES) for index in range(LENGTH_QUANTILES)]
    return [max(1, round(exp(centre + LENGTH_SIGMA * quantile))) for quantile in quantiles]


def _turn(digest: bytes, index: int) -> int:
    own = digest if index == 0 else blake2b(b"%d" % index, key=digest, digest_size=2).digest()
    return int.from_bytes(own[:2], "big") % LENGTH_QUANTILES


def _choice(call: Call, visible: int) -> Choice:
    reasoning = round(visible * _EFFORT.get(call.effort, 0.0)) if call.effort else 0
    cap = call.max_tokens
    if cap is None or visible + reasoning <= cap:
        return Choice(visible + reasoning, reasoning)
    return Choice(cap, min(reasoning, cap), "length")


def _cached(prompt_tokens: int, turn: int) -> int:
    # Whole blocks only, so short prompts are never cached. `turn` is a byte.
    return turn * (prompt_tokens // CACHE_BLOCK + 1) // 256 * CACHE_BLOCK


def _text(question: str, tokens: int, offset: int) -> str:
    quote = question[:QUOTED_CHARACTERS].strip()
    chinese = has_cjk(quote)
    prefix = f"关于“{quote}”：" if chinese else f'On "{quote}": '
    # Characters of one token, by the rule of count_text.
    width, filler = (1, _CHINESE) if chinese else (BYTES_PER_TOKEN, _ENGLISH)
    room = tokens - count_text(prefix)
    if room <= 0:
        return prefix[: tokens * width]
    starts = _sentences(filler)
    start, size = starts[offset % len(starts)], room * width
    return prefix + (filler * (size // len(filler) + 2))[start : start + size]


@lru_cache(maxsize=2)
def _sentences(text: str) -> list[int]:
    """Where each sentence of a text begins."""
    return [0, *(end.end() for end in re.finditer(r"\. |。", text) if end.end() < len(text))]
