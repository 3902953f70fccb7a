"""Line items of OpenAI's bills, such as `priority | gpt-4o-mini-2024-07-18, cached input, long context`."""

import re

_ITEM = re.compile(
    r"(?:(?:priority|flex|default|standard) \| )?"
    r"(?P<model>[^\s,|]+), "
    r"(?:[a-z ]+ )?(?:inputs?|outputs?|writes?|requests?|tokens?)"
    r"(?:, [a-z ]+)?",
    re.IGNORECASE,
)
_SNAPSHOT = re.compile(r"(?P<name>.+)[-@](?:\d{4}-\d\d-\d\d|\d{8}|\d{4})")


def model_of(item: str) -> str | None:
    """The model whose tokens or requests it is for; None if it is for something else.

    Tokens of the provider's own batches are something else: headrace makes none.
    """
    found = _ITEM.fullmatch(item.strip())
    return found["model"] if found else None


def without_date(model: str) -> str:
    """What a dated snapshot is a snapshot of; any other model as it is."""
    found = _SNAPSHOT.fullmatch(model)
    return found["name"] if found else model
