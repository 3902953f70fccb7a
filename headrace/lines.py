"""One request of a batch or a list: read, checked, made a job (contract 2.5 and 3.1)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from headrace.bodies import NAME_RULE, Fault, KnowsModel, body_fault, is_name
from headrace.exact_json import NotJson, dumps, loads
from headrace.line_text import Cut, body_of, cut
from headrace.store.jobs import NewJob
from headrace.tags import TagSets, tags_of
from headrace.tokens import EMBEDDINGS, bound_of, completion_cap, prompt_estimate

FIELDS = ("custom_id", "method", "url", "body")
NOT_JSON = "This line is not parseable as valid JSON"


class Request(NamedTuple):
    """What a line asks for, found to be good; `cut_out` if its body was cut out of the line's text.

    `metadata` is the line's own, which no provider sees.
    """

    custom_id: str | None
    endpoint: str
    model: str
    body: Mapping[str, Any]
    cut_out: Cut | None = None
    metadata: Any = None

    def job(self, line: int, tags: TagSets) -> NewJob:
        """The job for it, at its 1-based place."""
        compact = orjson.dumps(self.body) if self.cut_out else dumps(self.body).encode()
        bound = bound_of(self.endpoint, self.body, compact)
        return NewJob(
            line=line,
            custom_id=self.custom_id,
            endpoint=self.endpoint,
            lane=self.model,
            body=body_of(self.cut_out, compact) if self.cut_out else compact.decode(),
            prompt_estimate=prompt_estimate(self.body),
            completion_cap=0 if self.endpoint == EMBEDDINGS else completion_cap(self.body),
            tokens_at_most=bound.tokens,
            open_answers=bound.open_answers,
            prompt_at_most=bound.prompt,
            tags_id=tags.id_of(self._own_tags()),
        )

    def _own_tags(self) -> dict[str, str]:
        said = self.body.get("metadata")
        if said is None and self.metadata is None:
            return {}
        return {**tags_of(said), **tags_of(self.metadata)}


class Refused(NamedTuple):
    """A request that cannot run, and what it calls itself and its model, as far as these are names."""

    fault: Fault
    custom_id: str | None = None
    model: str | None = None


def parse_line(
    raw: bytes, line: int, endpoint: str, knows_model: KnowsModel, tags: TagSets | None = None
) -> NewJob | Fault:
    """One line of an input file, for the batch's endpoint. `line` is its 1-based number."""
    checked = check_line(raw, endpoint, knows_model)
    return checked.fault if isinstance(checked, Refused) else checked.job(line, tags or TagSets())


def check_line(raw: bytes, endpoint: str, knows_model: KnowsModel) -> Request | Refused:
    """What a line of an input file asks for, or why it cannot run."""
    cut_out = cut(raw)
    if cut_out:
        return _checked(cut_out.fields, (endpoint,), knows_model, cut_out)
    try:
        request = loads(raw)
    except NotJson as error:
        return Refused(Fault("invalid_json_line", f"{NOT_JSON}: {error}."))
    except ValueError:
        return Refused(Fault("invalid_json_line", f"{NOT_JSON}."))
    if not isinstance(request, dict):
        return Refused(Fault("invalid_json_line", "This line is not a JSON object."))
    return _checked(request, (endpoint,), knows_model)


def check_request(
    request: Mapping[str, Any],
    line: int,
    endpoints: tuple[str, ...],
    knows_model: KnowsModel,
    tags: TagSets | None = None,
) -> NewJob | Fault:
    """A batch line that was read; its URL must be one of `endpoints`."""
    checked = _checked(request, endpoints, knows_model)
    return checked.fault if isinstance(checked, Refused) else checked.job(line, tags or TagSets())


def duplicate(custom_id: str) -> Fault:
    """What is wrong with a request whose custom_id one before it has."""
    return Fault("duplicate_custom_id", f"The custom_id '{custom_id}' is used before.", "custom_id")


def _checked(
    request: Mapping[str, Any],
    endpoints: tuple[str, ...],
    knows_model: KnowsModel,
    cut_out: Cut | None = None,
) -> Request | Refused:
    fault = _line_fault(request, endpoints) or body_fault(request["url"], request["body"], knows_model)
    if fault:
        return _refused(fault, request)
    body = request["body"]
    own = request.get("metadata")
    return Request(request["custom_id"], request["url"], body["model"], body, cut_out, own)


def _refused(fault: Fault, request: Mapping[str, Any]) -> Refused:
    custom_id, body = request.get("custom_id"), request.get("body")
    model = body.get("model") if isinstance(body, dict) else None
    return Refused(fault, custom_id if is_name(custom_id) else None, model if is_name(model) else None)


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
