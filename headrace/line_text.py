"""A line's request with its body as it was written: cut out of the line, and not written again.

What is cut out keeps each number's text and each escape, at the cost of orjson's reading alone.
"""

import re
from typing import Any, NamedTuple

import orjson

from headrace.exact_json import dumps, loads

_BLANK = b" \t\r\n"
_BODY = re.compile(rb'(?<!\\)"body"[ \t\r\n]*:')


class Cut(NamedTuple):
    """The fields of a request and the text of its body, which may name something twice.

    Numbers in the fields are rounded like orjson does.
    """

    fields: dict[str, Any]
    body_text: bytes


def cut(raw: bytes) -> Cut | None:
    """The request of a line that ends with its body; None if this one does not, or is to be read exactly.

    With null for the body the line must be JSON, and so must the body alone: then no text of the line can
    have been taken for the body's name, and both together are JSON.
    """
    name, line = _BODY.search(raw), raw.rstrip(_BLANK)
    if name is None or not line.endswith(b"}"):
        return None
    body_text = line[name.end() : -1].strip(_BLANK)
    try:
        fields = orjson.loads(line[: name.end()] + b"null}")
        fields["body"] = orjson.loads(body_text)
    except orjson.JSONDecodeError:
        return None
    return Cut(fields, body_text)


def body_of(cut_out: Cut, compact: bytes) -> str:
    """The body as it was written; where it names something twice, without what does not count.

    `compact` is what orjson writes of it.
    """
    written = cut_out.body_text
    if written == compact or _strings(written) == _strings(compact):
        return written.decode()
    return dumps(loads(written))


def _strings(text: bytes) -> int:
    """How many quotation marks begin or end a string: a reader who drops a member drops some of them."""
    if b"\\" not in text:
        return text.count(b'"')
    unescaped = text.replace(rb"\\", b"")
    return unescaped.count(b'"') - unescaped.count(rb"\"")
