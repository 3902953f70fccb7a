"""What `POST /v1/jobs` takes, as JSON schema for the OpenAPI document. `api/job_requests.py` reads it."""

from typing import Any

from api.job_requests import CHAT, MAX_REQUESTS
from api.schemas import A_NAME
from headrace.bodies import PROMPT_FIELD

NAME = {"type": "string", **A_NAME}
MESSAGES = {"type": "array", "minItems": 1, "items": {"type": "object"}}
PROMPT = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1}]}


def _body(endpoint: str) -> dict[str, Any]:
    field = PROMPT_FIELD[endpoint]
    return {
        "type": "object",
        "required": ["model", field],
        "properties": {
            "model": NAME,
            field: MESSAGES if field == "messages" else PROMPT,
            "stream": {"enum": [False, None, 0, "", [], {}]},
        },
    }


def _line(endpoint: str) -> dict[str, Any]:
    properties = {
        "custom_id": {"anyOf": [NAME, {"type": "null"}]},
        "method": {"enum": ["POST", None]},
        "url": {"const": endpoint},
        "body": _body(endpoint),
    }
    return {"type": "object", "required": ["url", "body"], "properties": properties}


def _bare() -> dict[str, Any]:
    """A chat-completions body without a line around it."""
    schema = _body(CHAT)
    return {**schema, "not": {"required": ["body"]}}


REQUEST = {
    "title": "JobRequest",
    "description": "A line as in a batch file, or the body of a chat completion",
    "anyOf": [*(_line(endpoint) for endpoint in PROMPT_FIELD), _bare()],
}
REQUESTS = {
    "title": "JobRequests",
    "description": "One request, or a list of them",
    "anyOf": [
        {"$ref": "#/components/schemas/JobRequest"},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_REQUESTS,
            "items": {"$ref": "#/components/schemas/JobRequest"},
        },
    ],
    "$defs": {"JobRequest": REQUEST},
}
