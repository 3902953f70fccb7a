"""POST /v1/estimate: what requests would cost, from a file or from the body; nothing is sent or stored."""

import json

import pytest

from headrace.usage import Usage
from tests.api_server import hints, refusal
from tests.kinds import on_sqlite
from tests.scene import failed, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

CHAT = "/v1/chat/completions"
BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "How deep is the sea?"}],
    "max_tokens": 50,
}


def line(number, **changes):
    return {"custom_id": f"q-{number}", "method": "POST", "url": CHAT, "body": BODY, **changes}


def estimated(api, body):
    response = api.call("POST", "/v1/estimate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def uploaded(api, *lines):
    content = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    return api.upload(content.encode()).json()["id"]


def test_a_file_and_the_same_requests_in_the_body_have_the_same_estimate(api):
    lines = [line(number) for number in range(3)]
    file_id = uploaded(api, *lines)

    of_file = estimated(api, {"input_file_id": file_id, "endpoint": CHAT})

    assert of_file == estimated(api, {"requests": lines}) == estimated(api, lines)
    assert (of_file["object"], of_file["requests"]) == ("estimate", 3)
    assert of_file["prompt_tokens"] == 3 * (6 + 4 + 3)
    assert of_file["completion_tokens"] == {"low": 30, "expected": 150, "high": 150}
    assert of_file["cost"]["expected_usd"] == "0.00009585"
    assert [one["model"] for one in of_file["models"]] == ["gpt-4o-mini"]
    assert api.call("GET", "/v1/jobs").json()["data"] == []
    assert hints(api) == []


@on_sqlite
def test_lines_that_would_be_refused_are_told_and_the_others_estimated(api):
    lines = [line(1), "not JSON", "", line(1), line(2, url="/v1/embeddings"), line(3)]
    file_id = uploaded(api, *lines)

    made = estimated(api, {"input_file_id": file_id, "endpoint": CHAT})

    assert made["requests"] == 2
    assert made["refused"]["count"] == 3
    assert [(one["line"], one["code"]) for one in made["refused"]["data"]] == [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "invalid_url"),
    ]


@on_sqlite
def test_requests_may_be_bare_and_faulty_ones_are_told_by_their_place(api):
    made = estimated(api, [BODY, {"model": "m"}, 7, BODY])

    assert made["requests"] == 2
    assert [one["line"] for one in made["refused"]["data"]] == [2, 3]


def test_completions_are_expected_to_be_like_the_keys_earlier_ones(api, store):
    lane = "gpt-4o-mini"
    store.inline(8, lane=lane)
    flights = store.fly(lane=lane)
    store.land(
        failed(flights[0]),
        *(succeeded(flight, Usage(prompt_tokens=9, completion_tokens=20)) for flight in flights[1:]),
    )
    free = [{**BODY, "max_tokens": None}]

    made = estimated(api, free)
    api.secret = api.new_key()[1]
    of_another = estimated(api, free)

    assert made["completion_tokens"] == {"low": 20, "expected": 20, "high": 20}
    assert made["completion_tokens_learned"]
    assert of_another["completion_tokens"]["expected"] == 256
    assert not of_another["completion_tokens_learned"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        (7, None),
        ([], None),
        ([BODY] * 1001, None),
        ({"requests": []}, None),
        ({"requests": "all"}, "requests"),
        ({"requests": [BODY], "endpoint": CHAT}, "endpoint"),
        ({"input_file_id": "file-1"}, "endpoint"),
        ({"input_file_id": "file-1", "endpoint": "/v1/images"}, "endpoint"),
    ],
)
def test_what_is_no_question_is_refused(api, body, param):
    response = api.call("POST", "/v1/estimate", json=body)

    assert response.status_code == 400
    assert refusal(response)["param"] == param


@on_sqlite
@pytest.mark.parametrize("body", ["null", "{}", "7"])
def test_a_body_that_asks_nothing_is_told_what_may_be_sent(api, body):
    headers = {"content-type": "application/json"}

    response = api.call("POST", "/v1/estimate", data=body, headers=headers)

    assert response.status_code == 400
    assert "'input_file_id' and 'endpoint'" in refusal(response)["message"]


@on_sqlite
def test_a_file_of_another_key_is_not_there(api):
    file_id = uploaded(api, line(1))
    api.secret = api.new_key()[1]

    response = api.call("POST", "/v1/estimate", json={"input_file_id": file_id, "endpoint": CHAT})

    assert response.status_code == 404


@on_sqlite
def test_a_file_whose_bytes_are_lost_is_told(api):
    file_id = uploaded(api, line(1))
    api.stored()[0].unlink()

    response = api.call("POST", "/v1/estimate", json={"input_file_id": file_id, "endpoint": CHAT})

    assert response.status_code == 404
