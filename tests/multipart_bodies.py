"""Multipart bodies by hand (RFC 7578), for what no client would send."""

BOUNDARY = "the-boundary"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
LINES = b'{"custom_id": "a"}\n'


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """One part of a body."""
    named = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
PURPOSE = part("purpose", b"batch")
FILE = part("file", LINES, "a.jsonl")
