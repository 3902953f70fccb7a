"""Files that are sent in parts, without the SDK, to an API in this process or in one of its own."""

from typing import Any

import requests

LINES = b'{"custom_id": "a"}\n{"custom_id": "b"}\n'


def announce(api: Any, size: int = len(LINES), **changes: Any) -> requests.Response:
    """The answer to the announcement of a batch's input, but for the changes; `...` takes a field away."""
    body = {"bytes": size, "filename": "in.jsonl", "mime_type": "text/jsonl", "purpose": "batch", **changes}
    told = {name: value for name, value in body.items() if value is not ...}
    return api.call("POST", "/v1/uploads", json=told)


def begun(api: Any, size: int = len(LINES), **changes: Any) -> str:
    """The id of a new upload."""
    made = announce(api, size, **changes)
    assert made.status_code == 200, made.text
    return made.json()["id"]


def send(api: Any, upload_id: str, data: bytes, **how: Any) -> requests.Response:
    """The answer to a part."""
    return api.call("POST", f"/v1/uploads/{upload_id}/parts", files={"data": ("upload", data)}, **how)


def part_of(api: Any, upload_id: str, data: bytes) -> str:
    """The id of a part that was taken."""
    sent = send(api, upload_id, data)
    assert sent.status_code == 200, sent.text
    return sent.json()["id"]


def complete(api: Any, upload_id: str, part_ids: list[str], **fields: Any) -> requests.Response:
    """The answer to a completion; `fields` are further ones of its body, or `key`."""
    key = {"key": fields.pop("key")} if "key" in fields else {}
    body = {"part_ids": part_ids, **fields}
    return api.call("POST", f"/v1/uploads/{upload_id}/complete", json=body, **key)


def cancel(api: Any, upload_id: str, **how: Any) -> requests.Response:
    """The answer to a cancellation, sent as the SDK does."""
    headers = {"content-type": "application/json", "content-length": "0"}
    return api.call("POST", f"/v1/uploads/{upload_id}/cancel", headers=headers, **how)


def content(api: Any, file_id: str) -> bytes:
    """The bytes of a file."""
    return api.call("GET", f"/v1/files/{file_id}/content").content


def names(api: Any) -> set[str]:
    """What lies in the folder of files."""
    return {path.name for path in api.stored()}
