"""Tags: key-values of batches and jobs, by which costs can be told apart afterwards.

They come from `metadata`: the batch's, a line's own, and that of its body. What is nested is no tag.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from headrace.bodies import is_name

MOST_TAGS = 16
MOST_KEY_CHARACTERS = 64
MOST_VALUE_CHARACTERS = 512
MOST_SETS = 1000
OPTIONS = "headrace."  # metadata that says how to run a batch
ID_BYTES = 12

Ordered = tuple[tuple[str, str], ...]


def tags_of(metadata: Any) -> dict[str, str]:
    """The first 16 key-values that can be tags; numbers and booleans as JSON writes them."""
    if not isinstance(metadata, Mapping):
        return {}
    written = ((key, _text(value)) for key, value in metadata.items())
    found = [(key, value) for key, value in written if _is_key(key) and _is_value(value)]
    return dict(found[:MOST_TAGS])  # type: ignore[arg-type]


class TagSets:
    """The sets of tags of jobs that come in together, each under an id that follows from what is in it.

    Sums are kept for each set. So after a thousand different ones, a job that would bring another loses its
    own tags, those with the most different values first, until its set is known or of few like it.
    """

    def __init__(self, shared: Any = None) -> None:
        """`shared` is the metadata of the batch."""
        self._shared = tags_of(shared)
        self._ids: dict[Ordered, str] = {}
        self._texts: dict[str, str] = {}
        self._values: dict[str, set[str]] = defaultdict(set)
        self._shared_id = self._added(_ordered(self._shared)) if self._shared else ""

    def id_of(self, own: Mapping[str, str]) -> str:
        """The id of a job's tags, whose own go before those that are shared; empty if it has none."""
        most, left = MOST_SETS, dict(own)
        while left:
            tags = _ordered({**self._shared, **left})
            known = self._ids.get(tags)
            if known is not None or len(self._ids) < most:
                return known or self._added(tags)
            del left[max(left, key=lambda name: len(self._values[name]))]
            most = 2 * MOST_SETS
        return self._shared_id

    def texts(self, ids: Iterable[str]) -> dict[str, str]:
        """These sets as JSON, to be written with the jobs that have them."""
        return {tags_id: self._texts[tags_id] for tags_id in ids if tags_id}

    def _added(self, tags: Ordered) -> str:
        for name, value in tags:
            self._values[name].add(value)
        text = json.dumps(dict(tags), ensure_ascii=False)
        tags_id = self._ids[tags] = "tags_" + blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()
        self._texts[tags_id] = text
        return tags_id


def _ordered(tags: Mapping[str, str]) -> Ordered:
    return tuple(sorted(tags.items()))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _is_key(key: Any) -> bool:
    return is_name(key) and len(key) <= MOST_KEY_CHARACTERS and not key.startswith(OPTIONS)


def _is_value(value: str | None) -> bool:
    return value is not None and len(value) <= MOST_VALUE_CHARACTERS and (not value or is_name(value))
