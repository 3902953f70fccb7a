"""JSON bodies to the API and answers from it, to the letter; and what of JSON it cannot take."""

import pytest

from tests.api_server import refusal
from tests.exactly import exactly, member
from tests.full_bodies import ANSWERS, CHAT, REQUESTS
from tests.kinds import on_sqlite
from tests.scene import succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

JSON = {"content-type": "application/json"}
HALF = r'{"model": "MODEL", "messages": [{"role": "user", "content": "cut \ud83d"}], "x": 1e400}'


def post(api, path, text, **headers):
    return api.call("POST", path, data=text.encode(), headers=JSON | headers)


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_a_job_is_stored_and_answered_to_the_letter(api, store, endpoint):
    body, answer = (
        REQUESTS[endpoint].replace("MODEL", "small-model"),
        ANSWERS[endpoint].removeprefix("\ufeff"),
    )

    made = post(api, "/v1/jobs", f'{{"url": "{endpoint}", "custom_id": "a", "body": {body}}}')
    assert made.status_code == 200, made.text
    (flight,) = store.fly()
    store.land(succeeded(flight, answer=answer))
    shown = api.call("GET", f"/v1/jobs/{made.json()['id']}")

    assert exactly(flight.claim.body) == exactly(body)
    assert shown.status_code == 200
    assert member(member(exactly(shown.content), "response"), "body") == exactly(answer)


def test_a_bare_body_is_stored_to_the_letter(api, store):
    assert post(api, "/v1/jobs", CHAT.replace("MODEL", "small-model")).status_code == 200

    (claim,) = store.claim()
    assert exactly(claim.body) == exactly(CHAT.replace("MODEL", "small-model"))


@pytest.mark.parametrize("endpoint", ANSWERS)
def test_results_are_answers_to_the_letter_each_on_one_line(api, store, endpoint):
    answer = ANSWERS[endpoint].removeprefix("\ufeff")
    batch_id = store.batch(lines=2)
    store.land(*(succeeded(flight, answer=answer) for flight in store.fly()))

    response = api.call("GET", f"/v1/batches/{batch_id}/results")

    lines = response.content.split(b"\n")
    assert len(lines) == 3
    assert lines[2] == b""
    for line in lines[:2]:
        assert member(member(exactly(line), "response"), "body") == exactly(answer)


@on_sqlite
def test_a_body_with_half_a_character_is_known_again_by_its_idempotency_key(api):
    half = HALF.replace("MODEL", "m")
    first = post(api, "/v1/jobs", half, **{"idempotency-key": "k"})

    again = post(api, "/v1/jobs", half.replace(", ", ",  "), **{"idempotency-key": "k"})
    other = post(api, "/v1/jobs", half.replace("ud83d", "ud83e"), **{"idempotency-key": "k"})
    another = post(api, "/v1/jobs", half.replace("1e400", "1e401"), **{"idempotency-key": "k"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, another.status_code) == (409, 409)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batches", r'{"input_file_id": "file-1", "endpoint": "\ud83d", "completion_window": "24h"}'),
        ("/v1/batches", r'{"metadata": {"\ud83d": "a"}}'),
        ("/v1/batches", r'{"nobody knows": ["\ud83d"]}'),
        ("/v1/batches", r'{"\ud83d": 1}'),
        ("/v1/uploads", r'{"filename": "\ud83d"}'),
        ("/v1/jobs/job_1/release", r'{"to": "\ud83d"}'),
    ],
)
def test_half_a_character_in_what_is_kept_by_us_is_refused_with_the_reason(api, path, body):
    response = post(api, path, body)

    assert response.status_code == 400
    assert "half of a surrogate pair" in refusal(response)["message"]
    assert refusal(response)["code"] == "invalid_value"


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (HALF.replace("MODEL", r"m\ud83d"), "model"),
        (rf'{{"custom_id": "\ud83d", "url": "/v1/chat/completions", "body": {HALF}}}', "custom_id"),
        (rf'{{"url": "\ud83d", "body": {HALF}}}', "url"),
        (rf'{{"url": "/v1/embeddings", "method": "\ud83d", "body": {HALF}}}', "method"),
    ],
)
def test_half_a_character_in_a_name_is_refused(api, body, param):
    response = post(api, "/v1/jobs", body)

    assert response.status_code == 400
    assert refusal(response)["param"] == param


@on_sqlite
def test_a_name_that_is_twice_may_have_half_a_character(api):
    response = post(api, "/v1/jobs", r'{"\ud83d": 1, "\ud83d": 2}')

    assert response.status_code == 400
    assert (refusal(response)["param"], refusal(response)["code"]) == (r"\ud83d", "duplicate_name")


@on_sqlite
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"a": NaN}', "NaN is no JSON."),
        ('{"a": -Infinity}', "-Infinity is no JSON."),
        ("[" * 100_000, "nested too deep"),
        ("\ufeff{}", "column 1"),
        ("{'a': 1}", "column 2"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(api, body, said):
    response = post(api, "/v1/jobs", body)

    assert response.status_code == 400
    assert "not valid JSON" in refusal(response)["message"]
    assert said in refusal(response)["message"]


@on_sqlite
def test_what_is_not_utf_8_is_refused_with_the_reason(api):
    response = api.call("POST", "/v1/jobs", data=b'{"a": "\xff"}', headers=JSON)

    assert response.status_code == 400
    assert "utf-8" in refusal(response)["message"]


@on_sqlite
def test_a_custom_id_that_is_twice_in_a_list_is_refused_and_nothing_of_it_is_queued(api):
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    named = {"url": "/v1/chat/completions", "body": chat}

    def listed(*custom_ids):
        return [named | ({"custom_id": custom_id} if custom_id else {}) for custom_id in custom_ids]

    good = api.call("POST", "/v1/jobs", json=[*listed("a", "unnamed", None, None), chat, chat])
    bad = api.call("POST", "/v1/jobs", json=listed("a", None, "b", "a", "a"))

    assert good.status_code == 200
    assert bad.status_code == 400
    assert (refusal(bad)["param"], refusal(bad)["code"]) == ("[3].custom_id", "duplicate_custom_id")
    assert (
        refusal(bad)["message"]
        == "[3]: The custom_id 'a' is used before. [4]: The custom_id 'a' is used before."
    )
    assert len(api.call("GET", "/v1/jobs").json()["data"]) == 6
