"""One request of a batch or a list: read, checked, made a job (contract 2.5 and 3.1)."""

from collections.abc import Mapping
from typing import Any

from headrace.bodies import NAME_RULE, Fault, KnowsModel, body_fault, is_name
from headrace.exact_json import NotJson, dumps, loads
from headrace.store.jobs import NewJob
from headrace.tokens import completion_cap, prompt_estimate

FIELDS = ("custom_id", "method", "url", "body")
NOT_JSON = "This line is not parseable as valid JSON"


def parse_line(raw: bytes, line: int, endpoint: str, knows_model: KnowsModel) -> NewJob | Fault:
    """One line of an input file, for the batch's endpoint. `line` is its 1-based number."""
    try:
        request = loads(raw)
    except NotJson as error:
        return Fault("invalid_json_line", f"{NOT_JSON}: {error}.")
    except ValueError:
        return Fault("invalid_json_line", f"{NOT_JSON}.")
    if not isinstance(request, dict):
        return Fault("invalid_json_line", "This line is not a JSON object.")
    return check_request(request, line, (endpoint,), knows_model)


def check_request(
    request: Mapping[str, Any], line: int, endpoints: tuple[str, ...], knows_model: KnowsModel
) -> NewJob | Fault:
    """A batch line that was read; its URL must be one of `endpoints`."""
    fault = _line_fault(request, endpoints) or body_fault(request["url"], request["body"], knows_model)
    return fault or new_job(request["url"], request["body"], line=line, custom_id=request["custom_id"])


def new_job(endpoint: str, body: Mapping[str, Any], *, line: int, custom_id: str | None) -> NewJob:
    """The job for a body that was checked."""
    return NewJob(
        line=line,
        custom_id=custom_id,
        endpoint=endpoint,
        lane=body["model"],
        body=dumps(body),
        prompt_estimate=prompt_estimate(body),
        completion_cap=0 if endpoint == "/v1/embeddings" else completion_cap(body),
    )


def duplicate(custom_id: str) -> Fault:
    """What is wrong with a request whose custom_id one before it has."""
    return Fault("duplicate_custom_id", f"The custom_id '{custom_id}' is used before.", "custom_id")


def _line_fault(request: Mapping[str, Any], endpoints: tuple[str, ...]) -> Fault | None:
    for name in FIELDS:
        if request.get(name) is None:
            return Fault("missing_required_parameter", f"Missing required parameter: '{name}'.", name)
    if not is_name(request["custom_id"]):
        return Fault("invalid_request", f"'custom_id' must be a string of {NAME_RULE}.", "custom_id")
    if request["method"] != "POST":
        return Fault("invalid_method", "'method' must be POST.", "method")
    if request["url"] not in endpoints:
        return Fault("invalid_url", f"'url' must be {' or '.join(endpoints)}.", "url")
    return None
