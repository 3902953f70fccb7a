"""JSON read and written again without a change: numbers keep their text, half characters stay escapes.

orjson alone writes some of what it read otherwise: integers beyond 64 bits and digits beyond a double's are
rounded, `1e2` becomes `100.0`. And it refuses lone surrogates, which stand where a text was cut in an emoji.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

_DIGITS_OF_AN_INT = 18  # more may not fit 64 bits
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class Number(float):
    """A number as it was written. Its value is rounded to a double's, and may be infinite."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Number":
        number = super().__new__(cls, text)
        number.text = text
        return number


class NotJson(ValueError):
    """What JSON's grammar has no word for, though some write it; or what is nested too deep to be read."""


def loads(document: bytes | str) -> Any:
    """The value of a document (bytes are UTF-8); of a name that is twice in an object, the last value.

    Fractions, and what orjson could not write as it came, are `Number`s. Raises ValueError if it is no JSON.
    """
    text = document.decode() if isinstance(document, bytes) else document
    try:
        return _decoded(text)
    except RecursionError as error:
        raise NotJson("it is nested too deep") from error


def loads_rounded(document: bytes | str) -> Any:
    """The same, faster, with numbers rounded like orjson does: to be looked at, not to be sent on."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        return loads(document)


def dumps(value: Any, *, sort_keys: bool = False) -> str:
    """The text of what `loads` read, without white space. It can be encoded: half characters are escapes."""
    try:
        return orjson.dumps(value, default=_as_written, option=_SORTED if sort_keys else None).decode()
    except orjson.JSONEncodeError:
        return _HALF_CHARACTER.sub(_escape, _written(value, sorted if sort_keys else list))


def has_half_characters(text: str) -> bool:
    """Whether there are lone surrogates in it, which UTF-8 has no bytes for."""
    return _HALF_CHARACTER.search(text) is not None


def _decoded(text: str) -> Any:
    """Python's own reader of integers is the fast one. But `-0` is 0 to it, and their length has a limit."""
    if "-0" in text:
        return _EVERY_NUMBER.decode(text)
    try:
        return _FRACTIONS.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _EVERY_NUMBER.decode(text)


def _integer(text: str) -> int | Number:
    return Number(text) if len(text) > _DIGITS_OF_AN_INT or text == "-0" else int(text)


def _refuse(constant: str) -> None:
    raise NotJson(f"{constant} is no JSON")


def _as_written(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError


def _written(value: Any, ordered: Callable[[Any], list[Any]]) -> str:
    """What orjson does not write: half characters, which are left as they are here, and large integers."""
    if isinstance(value, dict):
        members = (f"{_string(name)}:{_written(item, ordered)}" for name, item in ordered(value.items()))
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(_written(item, ordered) for item in value)}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return json.dumps(value)
    return orjson.dumps(value, default=_as_written).decode()


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escape(half: re.Match[str]) -> str:
    return f"\\u{ord(half[0]):04x}"


_SORTED = orjson.OPT_SORT_KEYS
_FRACTIONS = json.JSONDecoder(parse_float=Number, parse_constant=_refuse)
_EVERY_NUMBER = json.JSONDecoder(parse_float=Number, parse_int=_integer, parse_constant=_refuse)
