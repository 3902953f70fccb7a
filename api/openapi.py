"""The OpenAPI document: what FastAPI reads off the routes, completed by what it cannot see there.

Handlers read their bodies themselves, so each route says with `json_body` or `form_body` what it takes. How
it may fail is gathered from `refuses`. Every answer has its headers, every failure the envelope.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from api.problems import Envelope
from api.refusals import WHEN, statuses_of

SCHEMAS = "#/components/schemas/{model}"
REQUEST_ID = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
WITHOUT_NUL = r"^[^\u0000]*$"  # see `api.deps.refuse_nul`
OUR_PAPERS = re.compile(
    r" \(contract [^)]*\)"
)  # named in docstrings, and nothing to a reader of the document
MADE_BY_FASTAPI = ("HTTPValidationError", "ValidationError")  # for 422, which we do not answer
PARAMETERS = {
    "after": "Go on behind this one, the last that you have seen",
    "limit": "How many at most",
    "order": "By creation: the oldest first, or the newest",
    "purpose": "Those of this purpose only",
    "batch": "Those of this batch only, by its id",
    "state": "Those in this state only",
    "file_id": "The id of a file",
    "batch_id": "The id of a batch",
    "job_id": "The id of a job",
    "upload_id": "The id of an upload",
    "model_id": "The name of a model; it may have slashes",
}


def header(description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    """A header of an answer; `schema` is a string's unless it says otherwise."""
    return {"description": description, "required": required, "schema": {"type": "string", **schema}}


HEADERS = {
    401: {"www-authenticate": header("How to authenticate", const="Bearer")},
    409: {"x-should-retry": header("The openai SDK would send it again by itself", const="false")},
    416: {"content-range": header("How long the file is", pattern=r"^bytes \*/[0-9]+$")},
    503: {"retry-after": header("Seconds to wait", pattern="^[1-9][0-9]*$")},
}


def json_body(model: Any, *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this model as JSON; or a JSON schema, with its `title`."""
    return _body("application/json", _schema(model), required)


def form_body(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this model as multipart/form-data, nested names in brackets."""
    schema = _schema(model)
    for name, field in list(schema["properties"].items()):
        nested = [schema["$defs"].pop(_name(one)) for one in field.get("anyOf", ()) if "$ref" in one]
        if nested:
            del schema["properties"][name]
            members = nested[0]["properties"].items()
            flat = {f"{name}[{member}]": shape for member, shape in members}
            schema["properties"].update(flat)
            schema["dependentRequired"] = {one: [other for other in flat if other != one] for one in flat}
    return _body("multipart/form-data", schema, required=True)


class DescribedApi(FastAPI):
    """An app whose document says of every route all that it takes and answers."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        document = super().openapi()
        if "responses" not in document["components"]:
            self._complete(document)
        return document

    def _complete(self, document: dict[str, Any]) -> None:
        components = document["components"]
        schemas = components["schemas"]
        for name in MADE_BY_FASTAPI:
            schemas.pop(name, None)
        refusals: set[int] = set()
        for route in iter_route_contexts(self.routes):
            for method in route.methods or ():
                operation = document["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    refusals |= _complete(operation, route.dependant, schemas)
        _link(document["paths"])
        _add(schemas, _schema(Envelope))
        for schema in schemas.values():
            if "description" in schema:
                schema["description"] = OUR_PAPERS.sub("", schema["description"])
        components["responses"] = {_component(status): _refusal(status) for status in sorted(refusals)}
        components["headers"] = {"x-request-id": header("To name this request by; the log has it too")}


def _complete(operation: dict[str, Any], dependant: Dependant, schemas: dict[str, Any]) -> set[int]:
    """Returns the statuses of failures that it may answer with."""
    answers = operation["responses"]
    answers.pop("422", None)
    for answer in answers.values():
        answer["headers"] = {**answer.get("headers", {}), **REQUEST_ID}
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in PARAMETERS:
            parameter.setdefault("description", PARAMETERS[parameter["name"]])
        if parameter["in"] != "header" and _is_text(parameter["schema"]):
            parameter["schema"].setdefault("pattern", WITHOUT_NUL)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["schema"] = _add(schemas, content["schema"])
    statuses = statuses_of(dependant)
    for status in sorted(statuses):
        answers.setdefault(str(status), {"$ref": f"#/components/responses/{_component(status)}"})
    return statuses


def _is_text(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "string" and "enum" not in one for one in schema.get("anyOf", [schema]))


def _link(paths: dict[str, Any]) -> None:
    """What a POST makes is named, by its id, in the paths below."""
    for path, operations in paths.items():
        below = [operation for other, operation in _operations(paths) if other.startswith(f"{path}/{{")]
        if below and "post" in operations:
            operations["post"]["responses"]["200"]["links"] = {
                one["operationId"]: {
                    "operationId": one["operationId"],
                    "parameters": {one["parameters"][0]["name"]: "$response.body#/id"},
                }
                for one in below
            }


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in paths.items():
        for operation in operations.values():
            yield path, operation


def _body(kind: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {kind: {"schema": schema}}}}


def _schema(model: Any) -> dict[str, Any]:
    if isinstance(model, dict):
        return model
    schema: dict[str, Any] = model.model_json_schema(ref_template=SCHEMAS)
    return schema


def _add(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Puts a schema and those that it names among the components, and returns the reference to it."""
    for name, one in {**schema.pop("$defs", {}), schema["title"]: schema}.items():
        assert schemas.setdefault(name, one) == one, f"two schemas are called {name}"
    return {"$ref": SCHEMAS.format(model=schema["title"])}


def _name(reference: dict[str, Any]) -> str:
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _component(status: int) -> str:
    return HTTPStatus(status).name.title().replace("_", "")


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": WHEN[status],
        "headers": {**REQUEST_ID, **HEADERS.get(status, {})},
        "content": {"application/json": {"schema": {"$ref": SCHEMAS.format(model=Envelope.__name__)}}},
    }
