"""What is seen at once of a file that is to be a batch's input (contract 1.2); the batch shows the rest."""

from codecs import BOM_UTF8
from pathlib import Path

from headrace.errors import InvalidRequest
from headrace.exact_json import loads_rounded

REFUSAL = "Invalid file format for Batch API. Must be .jsonl"


def check_name(filename: str) -> None:
    """Raises InvalidRequest unless it is called `.jsonl`."""
    if not filename.endswith(".jsonl"):
        raise InvalidRequest(REFUSAL)


def check_first_line(path: Path, max_line_bytes: int) -> None:
    """Raises InvalidRequest unless the file begins with a line of JSON that is not longer than so."""
    with path.open("rb") as written:
        line = written.readline(max_line_bytes + 1)
    reason = _fault(line, max_line_bytes)
    if reason:
        raise InvalidRequest(f"{REFUSAL}, and {reason}.")


def _fault(line: bytes, max_line_bytes: int) -> str | None:
    if not line:
        return "this file is empty"
    if len(line) > max_line_bytes:
        return f"its first line is longer than {max_line_bytes} bytes"
    try:
        loads_rounded(line.removeprefix(BOM_UTF8))  # where a byte order mark is a fault, the batch says so
    except ValueError as error:
        return f"its first line is not valid JSON ({error})"
    return None
