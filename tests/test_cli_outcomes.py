"""Output lines as the command line reads them: whatever a provider answered, they are counted and shown."""

import pytest

from headrace.cli.outcomes import Outcomes
from tests.full_bodies import ANSWERS

LINE = '{"id": "batch_req_1", "custom_id": "a", "response": RESPONSE, "error": null}'


def counted(status, body):
    outcomes = Outcomes()
    response = f'{{"status_code": {status}, "request_id": "", "body": {body}}}'
    assert outcomes.add(LINE.replace("RESPONSE", response).encode()) == "a"
    return outcomes


@pytest.mark.parametrize("endpoint", ANSWERS)
def test_an_answer_with_what_few_readers_of_json_take_is_counted(endpoint):
    assert counted(200, ANSWERS[endpoint].removeprefix("\ufeff")).succeeded == 1


def test_a_reason_with_half_a_character_can_be_shown():
    (reason,) = counted(400, r'{"error": {"message": "cut \ud83d", "code": "c"}}').reasons

    assert reason == "400 c: cut ?"


def test_a_good_status_without_a_result_is_no_success():
    error = '{"code": "invalid_answer", "message": "nothing usable"}'
    response = '{"status_code": 200, "request_id": "", "body": {"choices": null}}'
    outcomes = Outcomes()

    outcomes.add(LINE.replace("RESPONSE", response).replace('"error": null', f'"error": {error}').encode())

    assert outcomes.succeeded == 0
    assert dict(outcomes.reasons) == {"invalid_answer: nothing usable": 1}
