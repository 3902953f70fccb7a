"""What a request's body must be before money is spent on it (contract 2.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace.exact_json import has_half_characters

PROMPT_FIELD = {
    "/v1/chat/completions": "messages",
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    "/v1/responses": "input",
}
ENDPOINTS = tuple(PROMPT_FIELD)
COMPLETIONS = "/v1/completions"
RESPONSES = "/v1/responses"
INSTEAD_OF_INPUT: dict[str, tuple[type, ...]] = {
    "prompt": (dict,),
    "previous_response_id": (str,),
    "conversation": (str, dict),
}
MAX_DEPTH = 64
CONTAINERS = (dict, list)
MAX_NAME_CHARACTERS = 512  # a lane's name is in an index, whose entries PostgreSQL keeps under 2,700 bytes
NAME_RULE = f"1 to {MAX_NAME_CHARACTERS} characters, without NUL and without half of a surrogate pair"

KnowsModel = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request cannot run, in the words of a batch's `errors` (contract 2.3)."""

    code: str
    message: str
    param: str | None = None

    def as_error(self, line: int | None) -> dict[str, Any]:
        """The entry for the 1-based input line `line`."""
        return {"code": self.code, "message": self.message, "param": self.param, "line": line}


def body_fault(endpoint: str, body: Any, knows_model: KnowsModel) -> Fault | None:
    """What is wrong with the body of a request to `endpoint` (one of ENDPOINTS), if anything."""
    if not isinstance(body, dict):
        return _invalid("body", "must be a JSON object")
    if deeper_than(body, MAX_DEPTH):
        return _invalid("body", f"must not be nested more than {MAX_DEPTH} levels deep")
    return _model_fault(body, knows_model) or _prompt_fault(endpoint, body) or _delivery_fault(endpoint, body)


def is_name(value: Any) -> bool:
    """Whether a value can name something: it is a string of `NAME_RULE`, which any database can store."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARACTERS:
        return False
    return "\0" not in value and not has_half_characters(value)


def deeper_than(value: Any, depth: int) -> bool:
    """Whether lists and objects are nested in each other more than so deep."""
    if not isinstance(value, CONTAINERS):
        return False
    if depth == 0:
        return True
    return any(
        deeper_than(child, depth - 1)
        for child in (value.values() if isinstance(value, dict) else value)
        if isinstance(child, CONTAINERS) and (child or depth == 1)  # there may be millions of empty ones
    )


def _model_fault(body: dict[str, Any], knows_model: KnowsModel) -> Fault | None:
    model = body.get("model")
    if not is_name(model):
        return _invalid("body.model", f"is required: a model's name of {NAME_RULE}")
    if not knows_model(str(model)):
        return Fault("model_not_found", f"The model '{model}' is not configured here.", "body.model")
    return None


def _prompt_fault(endpoint: str, body: dict[str, Any]) -> Fault | None:
    field = PROMPT_FIELD[endpoint]
    prompt = body.get(field)
    if prompt in (None, "", []):
        return None if _may_be_empty(endpoint, body) else _invalid(f"body.{field}", _required(endpoint))
    if field == "messages" and not _are_objects(prompt):
        return _invalid("body.messages", "must be a list of objects")
    if not isinstance(prompt, str | list):
        return _invalid(f"body.{field}", "must be a string or a list")
    return None


def _may_be_empty(endpoint: str, body: dict[str, Any]) -> bool:
    """Whether a request says something without its prompt field, or without anything in it."""
    if endpoint == COMPLETIONS:
        return "prompt" in body and body["prompt"] != []  # the model then begins a document
    return endpoint == RESPONSES and any(
        body.get(name) and isinstance(body[name], kinds) for name, kinds in INSTEAD_OF_INPUT.items()
    )


def _required(endpoint: str) -> str:
    if endpoint == COMPLETIONS:
        return "is required, and must not be an empty list"
    instead = f", unless there is one of {', '.join(INSTEAD_OF_INPUT)}" if endpoint == RESPONSES else ""
    return f"is required and must not be empty{instead}"


def _delivery_fault(endpoint: str, body: dict[str, Any]) -> Fault | None:
    """One answer, in the same call, is what a job can take in."""
    if body.get("stream"):
        return Fault("streaming_unsupported", "A request in a batch cannot stream.", "body.stream")
    if endpoint == RESPONSES and body.get("background"):
        return _invalid("body.background", "must not be true: nobody would fetch the answer of such a run")
    return None


def _invalid(param: str, what: str) -> Fault:
    return Fault("invalid_request", f"'{param}' {what}.", param)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
