"""JSON read and written again without a change: numbers keep their text, half characters stay escapes.

orjson alone writes some of what it read otherwise: integers beyond 64 bits and digits beyond a double's are
rounded, `1e2` becomes `100.0`. And it refuses lone surrogates, which stand where a text was cut in an emoji.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

_DIGITS_OF_AN_INT = 18  # more may not fit 64 bits
_LEAST_INT, _LARGEST_INT = -(2**63), 2**64 - 1  # that orjson writes
_ORJSONS_DEPTH = 200  # it writes no more than 254 levels
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

MakeObject = Callable[[list[tuple[str, Any]]], dict[str, Any]]


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


def loads(document: bytes | str, *, make_object: MakeObject | None = None) -> Any:
    """The value of a document (bytes are UTF-8); of a name that is twice in an object, the last value.

    Fractions, and what orjson could not write as it came, are `Number`s. Raises ValueError if it is no JSON.
    `make_object` gets the members of each object, and what it returns stands for it.
    """
    text = document.decode() if isinstance(document, bytes) else document
    try:
        return _decoded(text, make_object)
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
    option = orjson.OPT_SORT_KEYS if sort_keys else None
    try:
        return orjson.dumps(value, default=_as_written, option=option).decode()
    except orjson.JSONEncodeError:
        return _written(value, option).decode()


def has_half_characters(text: str) -> bool:
    """Whether there are lone surrogates in it, which UTF-8 has no bytes for."""
    return not text.isascii() and _HALF_CHARACTER.search(text) is not None


def _decoded(text: str, make_object: MakeObject | None) -> Any:
    """Python's own reader of integers is the fast one. But `-0` is 0 to it, and their length has a limit."""
    if "-0" in text:
        return _decoder(make_object, _integer).decode(text)
    try:
        return _decoder(make_object, None).decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _decoder(make_object, _integer).decode(text)


@cache  # to make one costs nearly what reading a short line does
def _decoder(make_object: MakeObject | None, parse_int: Callable[[str], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=make_object, parse_float=Number, parse_int=parse_int, parse_constant=_refuse
    )


def _integer(text: str) -> int | Number:
    return Number(text) if len(text) > _DIGITS_OF_AN_INT or text == "-0" else int(text)


def _refuse(constant: str) -> None:
    raise NotJson(f"{constant} is no JSON")


def _as_written(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError


def _written(value: Any, option: int | None) -> bytes:
    return orjson.dumps(_writable(value, option, 0), default=_as_written, option=option)


def _writable(value: Any, option: int | None, depth: int) -> Any:
    """A copy that orjson can write: what it refuses is text already."""
    if isinstance(value, str):
        return orjson.Fragment(_string(value)) if has_half_characters(value) else value
    if isinstance(value, int):
        return value if _LEAST_INT <= value <= _LARGEST_INT else orjson.Fragment(str(value))
    if value and isinstance(value, (list, dict)):
        return _writable_parts(value, option, depth)
    return value


def _writable_parts(value: list[Any] | dict[str, Any], option: int | None, depth: int) -> Any:
    if depth == _ORJSONS_DEPTH:
        return orjson.Fragment(_written(value, option))
    if isinstance(value, list):
        return [_writable(item, option, depth + 1) for item in value]
    if has_half_characters("".join(value)):
        return orjson.Fragment(_object(value, option))
    return {name: _writable(item, option, depth + 1) for name, item in value.items()}


def _object(value: dict[str, Any], option: int | None) -> bytes:
    """An object with half characters in its names."""
    names = sorted(value) if option else value
    return b"{%b}" % b",".join(b"%b:%b" % (_string(name), _written(value[name], option)) for name in names)


def _string(text: str) -> bytes:
    return _STRINGS.encode(text).encode(errors="backslashreplace")


_STRINGS = json.JSONEncoder(ensure_ascii=False)
