"""Results as the contract writes them (3.2, 3.3): the lines of output files and of polled results."""

from typing import Any

import orjson

GOOD_STATUSES = range(200, 300)
# In JSON they stand in strings alone, raw or as an escape.
LINE_ENDS = {character.encode(): f"\\u{ord(character):04x}".encode() for character in "\x85\u2028\u2029"}


def output_line(row: Any) -> bytes:
    """One finished job (with `RESULT_FIELDS`) as one line of JSON, newline included.

    Whatever the provider answered, good or bad, is the `response`; `error` is for jobs without an answer,
    and for those that failed because a 2xx had no result in it.
    """
    response = response_of(row)
    line = {
        "id": f"batch_req_{row.id}",
        "custom_id": row.custom_id,
        "response": response,
        "error": None if response and row.status_code not in GOOD_STATUSES else error_of(row),
    }
    return _with_one_end(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def response_of(row: Any) -> dict[str, Any] | None:
    """The provider's answer, its body as it came, for `orjson.dumps`; None if none was kept."""
    if row.answer is None:
        return None
    return {
        "status_code": row.status_code,
        "request_id": row.request_id or "",
        "body": orjson.Fragment(_on_one_line(row.answer)),
    }


def error_of(row: Any) -> dict[str, str | None] | None:
    """Why a job or a call did not succeed; None if no reason is known."""
    if row.error_code is None and row.error_message is None:
        return None
    return {"code": row.error_code, "message": row.error_message}


def _with_one_end(line: bytes) -> bytes:
    """Many readers end a line at these too (Python's `splitlines`, the SDK's `iter_lines`)."""
    for raw, escape in LINE_ENDS.items():
        line = line.replace(raw, escape)
    return line


def _on_one_line(document: str) -> str:
    """A line end in JSON is always between tokens: within a string it is written as an escape."""
    return document.replace("\r", " ").replace("\n", " ")
