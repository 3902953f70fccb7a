"""Results as the contract writes them (3.2, 3.3): the lines of output files and of polled results."""

from typing import Any

import orjson


def output_line(row: Any) -> bytes:
    """One finished job (with `RESULT_FIELDS`) as one line of JSON, newline included.

    Whatever the provider answered, good or bad, is the `response`; `error` is for jobs without an answer.
    """
    response = response_of(row)
    line = {
        "id": f"batch_req_{row.id}",
        "custom_id": row.custom_id,
        "response": response,
        "error": None if response else error_of(row),
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


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


def _on_one_line(document: str) -> str:
    """A line end in JSON is always between tokens: within a string it is written as an escape."""
    return document.replace("\r", " ").replace("\n", " ")
