"""Through a real worker: the provider gets what the client wrote, the client what the provider answered."""

import json

import pytest

from headrace.files import path_of
from headrace.states import BatchStatus
from headrace.usage import Usage
from tests.exactly import exactly, member
from tests.full_bodies import ANSWERS, REQUESTS
from tests.recorder import recording

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

CONFIG = """
[providers.recorder]
base_url = "{base_url}"
[quotas.all]
provider = "recorder"
[models.plain]
quota = "all"
[models.mapped]
quota = "all"
provider_model = "their/name of it"
"""
SENT_AS = {"plain": "plain", "mapped": "their/name of it"}
USAGE = {
    "/v1/chat/completions": Usage(10, 0, 20, 0, 30),
    "/v1/completions": Usage(4, 0, 3, 0, 7),
    "/v1/embeddings": Usage(4, 0, 0, 0, 4),
    "/v1/responses": Usage(5, 0, 6, 2, 11),
}


@pytest.fixture
def provider(plant, tmp_path):
    answers = {path.removeprefix("/v1"): answer.encode() for path, answer in ANSWERS.items()}
    with recording(answers) as recorder:
        config = tmp_path / "headrace.toml"
        config.write_text(CONFIG.format(base_url=recorder.base_url))
        plant.settings = plant.settings_with(config=config)
        plant.worker()
        yield recorder


def asked(endpoint, model):
    """The request's body as its client writes it."""
    return REQUESTS[endpoint].replace("MODEL", model)


def line(endpoint, model):
    """Pretty-printed bodies are put on one line, in which no text of theirs has an end of line."""
    body = asked(endpoint, model).replace("\n", " ")
    return (
        f'{{"custom_id": "{model} \\u2028", "method": "POST", "url": "{endpoint}", "body": {body}}}'.encode()
    )


def output_of(plant, batch):
    return path_of(plant.settings.files_dir, batch.output_file_id).read_bytes().split(b"\n")[:-1]


def on_one_line(document):
    """Line ends between tokens are blanks; in strings, what some readers take for one is an escape."""
    for character in "\x85\u2028\u2029":
        document = document.replace(character, f"\\u{ord(character):04x}")
    return document.replace("\r", " ").replace("\n", " ")


def test_bodies_and_answers_travel_unchanged_to_every_endpoint(plant, provider):
    for endpoint, answer in ANSWERS.items():
        batch = plant.finished(plant.submit(*(line(endpoint, model) for model in SENT_AS), endpoint=endpoint))

        assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 2), batch.errors
        sent = sorted(provider.bodies(endpoint.removeprefix("/v1")))
        assert sorted(map(str, map(exactly, sent))) == sorted(
            str(exactly(asked(endpoint, name))) for name in SENT_AS.values()
        )
        came = on_one_line(answer.removeprefix("\ufeff")).encode()
        lines = output_of(plant, batch)
        assert {json.loads(written)["custom_id"] for written in lines} == {
            f"{name} \u2028" for name in SENT_AS
        }
        for written in lines:
            assert b'"body":' + came in written
            body = member(member(exactly(written), "response"), "body")
            assert body == exactly(answer.removeprefix("\ufeff"))
        used = USAGE[endpoint]
        assert (batch.prompt_tokens, batch.completion_tokens) == (
            2 * used.prompt_tokens,
            2 * used.completion_tokens,
        )
