"""The OpenAPI document is whole. Whether it is true is shown by tests/test_openapi_conformance.py."""

import re
from pathlib import Path

import pytest

from api.main import RESOURCES
from headrace import windows

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@pytest.fixture(scope="module")
def document(sqlite_api):
    """As anybody reads it: it needs no key."""
    response = sqlite_api.call("GET", "/openapi.json", key="nobody's")
    assert response.status_code == 200
    assert response.headers["x-request-id"]
    return response.json()


@pytest.fixture(scope="module")
def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def resolved(document, node):
    while "$ref" in node:
        reference, node = node["$ref"], document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    return node


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else ())
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(child)


def test_every_call_of_the_reference_is_described_and_no_other(operations):
    reference = (Path(__file__).parents[1] / "docs/reference/api.md").read_text()

    assert set(operations) == set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", reference, re.MULTILINE))


def test_every_reference_leads_to_something_and_nothing_is_there_for_nothing(document):
    named = set(references(document))

    for reference in named:
        assert resolved(document, {"$ref": reference})
    kept = {
        f"#/components/{kind}/{name}"
        for kind, components in document["components"].items()
        if kind != "securitySchemes"
        for name in components
    }
    assert kept == named


def test_every_failure_is_the_envelope_and_every_answer_has_an_id(document, operations):
    for name, operation in operations.items():
        for status, answer in operation["responses"].items():
            answer = resolved(document, answer)
            assert resolved(document, answer["headers"]["x-request-id"])["required"], (name, status)
            (kind,) = answer["content"].items() if int(status) >= 400 else [(None, None)]
            if int(status) >= 400 and (name, status) != ("GET /readyz", "503"):
                assert kind == ("application/json", {"schema": {"$ref": "#/components/schemas/Envelope"}})


def test_the_answers_that_fastapi_would_give_are_not_ours(document, operations):
    assert not [name for name, operation in operations.items() if "422" in operation["responses"]]
    assert "ValidationError" not in str(document)


def test_whoever_may_refuse_a_body_says_which_it_takes(operations):
    readers = {name for name, operation in operations.items() if "415" in operation["responses"]}
    tellers = {name for name, operation in operations.items() if "requestBody" in operation}

    assert readers == tellers
    assert {"POST /v1/files", "POST /v1/batches", "POST /v1/jobs"} < readers


def test_all_but_health_needs_a_key(document, operations):
    for name, operation in operations.items():
        needs_one = "/v1/" in name
        assert bool(operation.get("security")) == needs_one, name
        assert ("401" in operation["responses"]) == needs_one, name
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_everything_is_described(document, operations):
    assert "(contract" not in str(document)
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (name, parameter["name"])


def test_a_completion_window_is_described_exactly():
    described = re.compile(windows.PATTERN)
    for text in (f"{number}{unit}" for number in range(50_000) for unit in "mhds"):
        assert bool(described.search(text)) == windows.is_window(text), text


def test_no_two_operations_have_one_name(operations):
    names = [operation["operationId"] for operation in operations.values()]

    assert len(set(names)) == len(names) > len(RESOURCES)
    assert "create_batch" in names


def test_what_a_download_and_results_say_in_headers_is_told(operations):
    content = operations["GET /v1/files/{file_id}/content"]["responses"]
    results = operations["GET /v1/batches/{batch_id}/results"]["responses"]["200"]

    assert set(content) > {"200", "206", "416"}
    assert "content-range" in content["206"]["headers"]
    assert set(content["200"]["content"]) == {"application/jsonl", "application/octet-stream"}
    assert set(results["headers"]) == {"x-headrace-cursor", "x-headrace-has-more", "x-request-id"}
