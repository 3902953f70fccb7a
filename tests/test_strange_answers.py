"""What providers put into answers beside the answer: no such thing may lose a job or make it fail."""

import json
from collections import Counter

import pytest

from headrace.states import JobState
from tests.batch_input import line
from tests.kinds import each_database_in_faults
from tests.listener import listening, read_request

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

HALF_AN_EMOJI = r'{"error": {"message": "cut \ud83d"}}'
ANSWER = json.dumps({"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 1}})
# name -> the first answer: status, headers, body; later ones are good
REFUSALS = {
    "two-lengths": ("200", "content-length: 2", ANSWER),  # it may have been paid for
    "slow-down": ("429", "retry-after-ms: 10", HALF_AN_EMOJI),
    "failure": ("500", "x-request-id: r", HALF_AN_EMOJI),
    "deep": ("500", "x-request-id: r", '{"error": ' + "[" * 950 + "]" * 950 + "}"),
    "odd-code": ("500", "x-request-id: r", '{"error": {"message": ["no"], "code": {"a": 1}}}'),
}
ANSWERS = {
    "endless-limit": ("200", "x-ratelimit-limit-requests: " + "9" * 5000, ANSWER),
    "odd-request-id": ("200", "x-request-id: a\0b\u00e9", ANSWER),
}


@pytest.fixture
def asked(plant):
    """The requests that came; a marker in the prompt chooses the first answer."""
    requests: list[str] = []

    def talk(connection):
        request = read_request(connection).decode()
        name = marker(request)
        first = name not in map(marker, requests)
        requests.append(request)
        status, header, body = (REFUSALS | ANSWERS)[name] if first else ("200", "x-request-id: r", ANSWER)
        head = f"HTTP/1.1 {status} Odd\r\ncontent-type: application/json\r\n{header}\r\n"
        head += f"set-cookie: crumb-{len(requests)}=1\r\nconnection: close\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode("latin-1"))

    with listening(talk) as host:
        plant.settings = plant.settings_with(provider_url=f"http://{host}/v1")
        yield requests


def marker(request):
    return request.partition("<<")[2].partition(">>")[0]


@each_database_in_faults
def test_no_strange_answer_loses_a_job_or_makes_it_fail(plant, asked):
    names = [*REFUSALS, *ANSWERS]
    worker = plant.worker(rpm=6000)

    batch = plant.finished(
        plant.submit(*(line(name, body={"messages": [{"content": f"<<{name}>>"}]}) for name in names))
    )

    assert (batch.succeeded, batch.failed) == (len(names), 0), worker.log.read_text()
    assert Counter(map(marker, asked)) == dict.fromkeys(REFUSALS, 2) | dict.fromkeys(ANSWERS, 1)
    assert {job.attempts for job in plant.store.jobs(batch.id) if job.custom_id in ANSWERS} == {1}
    assert {job.state for job in plant.store.jobs(batch.id)} == {JobState.SUCCEEDED}
    assert not [request for request in asked if "crumb" in request], "a cookie was sent back"
