"""Tokens of texts counted exactly, for models whose vocabulary is known; needs the extra `counting`.

A chat costs four tokens more for each message and three for the start of the answer (the cookbook of OpenAI,
"How to count tokens with tiktoken"): `headrace.tokens.prompt_estimate` adds these.
"""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from headrace.text_tokens import text_tokens

PACKAGE = "toktok"
MOST_CHARACTERS = 1_000_000  # of one text, 4 MB at most; a longer one is estimated
ENCODINGS = (
    ("o200k_harmony", re.compile(r"gpt-oss")),
    ("o200k_base", re.compile(r"(chat)?gpt-(4o|4\.1|4\.5|5)|o[134](-|$)")),
    ("cl100k_base", re.compile(r"gpt-(4|3\.5)|text-embedding-(3|ada-002)")),
)

TextCounter = Callable[[list[str]], float]


def encoding_of(model: str) -> str | None:
    """The vocabulary of a model by its provider's name for it, without what stands before a slash."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    return next((encoding for encoding, names in ENCODINGS if names.match(name)), None)


def exact_counter(model: str, package: str = PACKAGE) -> TextCounter | None:
    """What counts texts for this model; None if its vocabulary is not known or the extra not installed.

    Text that looks like a special token is counted as text.
    """
    encoding = encoding_of(model)
    if encoding is None or find_spec(package) is None:
        return None
    # Loaded on demand: it is not always installed, and takes time where nobody counts.
    batch_count: Callable[..., list[int]] = import_module(package).batch_count

    def count(texts: list[str]) -> float:
        counted = [_whole(text) for text in texts if len(text) <= MOST_CHARACTERS]
        estimated = [text for text in texts if len(text) > MOST_CHARACTERS]
        return sum(batch_count(counted, encoding, 1)) + text_tokens(estimated)

    return count


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which no vocabulary has."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
