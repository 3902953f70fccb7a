"""JSON compared to the letter: the text of every number, the order of all names, half characters."""

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st


class Written(NamedTuple):
    """A number, as its text. No two texts are alike, whatever their values are."""

    text: str


def exactly(document: bytes | str) -> Any:
    """A document, such that two are equal only if a reader of JSON can tell no difference.

    Objects are lists of their members, of which the last of one name counts.
    """
    text = document.decode() if isinstance(document, bytes) else document
    return json.loads(
        text,
        parse_int=Written,
        parse_float=Written,
        object_pairs_hook=lambda pairs: ("object", *dict(pairs).items()),
    )


def member(document: Any, name: str) -> Any:
    """The value of an object's member."""
    return dict(document[1:])[name]


def _joined(ends: str, items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(st.tuples(_SPACE, items).map("".join), max_size=4)
    return st.tuples(listed, _SPACE).map(lambda parts: f"{ends[0]}{','.join(parts[0])}{parts[1]}{ends[1]}")


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(STRINGS, _SPACE, inner).map(lambda parts: f"{parts[0]}{parts[1]}:{parts[2]}")
    return _joined("[]", inner) | _joined("{}", member)


ODD_NUMBERS = (
    "-0",
    "-0.0",
    "0.10",
    "1.50",
    "1e2",
    "1E+2",
    "1e400",
    "-1e400",
    "1e-400",
    "0.000001",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.1234567890123456789",
    "100000000000000000000.0",
    "9" * 5000,
)

_SPACE = st.sampled_from(["", "", "", " ", "\t", "  ", "\r"])
_WHOLE = st.integers(-(10**20), 10**30).map(str)
_FRACTION = st.sampled_from(["", "", ".0", ".10"]) | st.integers(0, 10**20).map(lambda digits: f".{digits}")
_EXPONENT = st.sampled_from(["", "", "e0", "E+2", "e-7", "E400", "e-4000"])

NUMBERS = st.sampled_from(ODD_NUMBERS) | st.tuples(_WHOLE, _FRACTION, _EXPONENT).map("".join)
"""As the grammar has them, at times far beyond what a double or 64 bits hold."""

_PLAIN = st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)[1:-1])
_ESCAPED = st.text(max_size=6).map(lambda text: json.dumps(text)[1:-1])
_ODD = st.sampled_from([r"\ud83d", r"\udE00", r"\uD83D\uDE00", r"\/", r"\u0000", "\u2028", "\x7f"])

STRINGS = st.lists(_PLAIN | _ESCAPED | _ODD, max_size=3).map(lambda parts: f'"{"".join(parts)}"')
"""Any characters, as themselves or as their escapes, and halves of characters."""

DOCUMENTS = st.recursive(
    st.sampled_from(["null", "true", "false"]) | NUMBERS | STRINGS, _containers, max_leaves=8
)
"""Any JSON as a text, with white space between its tokens, but no end of line."""
