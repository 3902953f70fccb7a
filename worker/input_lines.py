"""The lines of a batch's input, read one by one; one that is too long is never held whole."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from string import whitespace
from typing import BinaryIO, NamedTuple

import gevent

PIECE_BYTES = 1 << 20
BREATH = 500  # lines after which others may run
BREATH_BYTES = 1 << 20  # or after so many bytes
LONG_LINE_BYTES = 1 << 16  # or after a line of so many: work on one byte can be much
NOTHING = BOM_UTF8 + whitespace.encode()


class Line(NamedTuple):
    """A line of the input that is not blank: its 1-based number, its bytes, and the offset behind it.

    `too_long`: `raw` is only its beginning.
    """

    number: int
    raw: bytes
    end: int
    too_long: bool = False


def lines(
    source: Path, offset: int = 0, *, max_bytes: int | None = None, skip_bom: bool = True
) -> Iterator[Line]:
    """The lines from a byte offset on, numbered from the start of the file; blank ones are left out.

    One of more than `max_bytes`, its end included, is `too_long`. A byte order mark at the start of the file
    belongs to no line, unless it is not to be skipped; alone it makes none. Others run while it reads.
    """
    with source.open("rb") as file:
        number, unbreathed = _newlines(file, offset), 0
        if skip_bom and not offset and file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        end = file.tell()
        while raw := file.readline(-1 if max_bytes is None else max_bytes + 1):
            number += 1
            end += len(raw)
            too_long = max_bytes is not None and len(raw) > max_bytes
            is_blank = not raw.strip(NOTHING if number == 1 else None)
            if too_long and not raw.endswith(b"\n"):
                is_blank = _is_rest_blank(file) and is_blank
                end = file.tell()
            if not is_blank:
                yield Line(number, raw, end, too_long)
            unbreathed += len(raw)
            if number % BREATH == 0 or unbreathed >= BREATH_BYTES or len(raw) >= LONG_LINE_BYTES:
                unbreathed = 0
                gevent.sleep(0)


def _is_rest_blank(file: BinaryIO) -> bool:
    """Reads to the end of the line. What counts as a line must not depend on how long one may be."""
    is_blank = True
    while piece := file.readline(PIECE_BYTES):
        is_blank = is_blank and not piece.strip()
        gevent.sleep(0)
        if piece.endswith(b"\n"):
            break
    return is_blank


def _newlines(file: BinaryIO, offset: int) -> int:
    """Counts those before `offset`, and leaves the file there."""
    count, left = 0, offset
    while left and (piece := file.read(min(left, PIECE_BYTES))):
        count += piece.count(b"\n")
        left -= len(piece)
        gevent.sleep(0)
    file.seek(offset)
    return count
