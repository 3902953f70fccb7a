"""The forms that a line of INPUT may have, each made a batch line (contract 3.1)."""

import json
from typing import Any

from headrace.bodies import Fault
from headrace.exact_json import NotJson, loads

CHAT = "/v1/chat/completions"
BATCH_FIELDS = {"method", "url", "body"}
BARE_FIELDS = {"custom_id", "id", "messages", "prompt"}

Request = dict[str, Any]


def from_text(raw: bytes, new_id: str) -> Request | Fault:
    """A prompt as plain text, under the id `new_id`."""
    try:
        return _chat(new_id, [{"role": "user", "content": raw.decode().strip()}], {})
    except UnicodeDecodeError as error:
        return _not_utf8(error)


def from_json(raw: bytes, new_id: str) -> Request | Fault:
    """A batch line as it is; else `messages` or `prompt`, with all further fields for the body."""
    try:
        document = loads(raw.rstrip())
    except json.JSONDecodeError as error:
        return _fault(f"this is no JSON from column {error.colno} on")
    except UnicodeDecodeError as error:
        return _not_utf8(error)
    except NotJson as error:
        return _fault(str(error))
    if not isinstance(document, dict):
        return _fault("this is no JSON object")
    return document if BATCH_FIELDS & document.keys() else _bare(document, new_id)


def own_id(document: Request) -> Any:
    """The id that a line brings: its `custom_id`, else its `id`; None if it has neither."""
    found = document.get("custom_id", document.get("id"))
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else found


def _bare(document: Request, new_id: str) -> Request | Fault:
    options = {name: value for name, value in document.items() if name not in BARE_FIELDS}
    messages, prompt = document.get("messages"), document.get("prompt")
    if messages is None and prompt is None:
        return _fault("there is no 'messages', no 'prompt', and no 'body' of a batch line")
    if messages is not None and prompt is not None:
        return _fault("'messages' and 'prompt' exclude each other")
    if messages is None and not (isinstance(prompt, str) and prompt.strip()):
        return _fault("'prompt' must be text, and not empty")
    own = own_id(document)
    asked = [{"role": "user", "content": prompt}] if messages is None else messages
    return _chat(new_id if own is None else own, asked, options)


def _chat(custom_id: str, messages: Any, options: Request) -> Request:
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": CHAT,
        "body": {"messages": messages, **options},
    }


def _fault(message: str) -> Fault:
    return Fault("invalid_request", message)


def _not_utf8(error: UnicodeDecodeError) -> Fault:
    return _fault(f"byte {error.start + 1} is not UTF-8")
