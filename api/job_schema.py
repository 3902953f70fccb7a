"""What `POST /v1/jobs` takes, as JSON schema for the OpenAPI document. `api/job_requests.py` reads it."""

from typing import Any

from api.job_requests import CHAT, MAX_REQUESTS
from api.schemas import A_NAME
from headrace.bodies import COMPLETIONS, PROMPT_FIELD, RESPONSES

NAME = {"type": "string", **A_NAME}
MESSAGES = {"type": "array", "minItems": 1, "items": {"type": "object"}}
TEXT = {"type": "string", "minLength": 1}
OBJECT = {"type": "object", "minProperties": 1}
PROMPT = {"anyOf": [TEXT, {"type": "array", "minItems": 1}]}
PROMPTS = {
    "/v1/chat/completions": MESSAGES,
    COMPLETIONS: {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}, {"type": "null"}]},
    "/v1/embeddings": PROMPT,
}
INPUT = {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]}
ONE_OF_RESPONSES = {
    "input": PROMPT,
    "prompt": OBJECT,
    "previous_response_id": TEXT,
    "conversation": {"anyOf": [TEXT, OBJECT]},
}
OFF: dict[str, Any] = {"enum": [False, None, 0, "", [], {}]}


def _body(endpoint: str) -> dict[str, Any]:
    if endpoint == RESPONSES:
        return _responses_body()
    field = PROMPT_FIELD[endpoint]
    return {
        "type": "object",
        "required": ["model", field],
        "properties": {"model": NAME, field: PROMPTS[endpoint], "stream": OFF},
    }


def _responses_body() -> dict[str, Any]:
    """What says something to the model may stand in several fields, and one of them is enough."""
    return {
        "type": "object",
        "required": ["model"],
        "properties": {"model": NAME, "input": INPUT, "stream": OFF, "background": OFF},
        "anyOf": [
            {"required": [name], "properties": {name: schema}} for name, schema in ONE_OF_RESPONSES.items()
        ],
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
