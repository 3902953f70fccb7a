"""`headrace estimate`: what an input would cost, with nothing running and nothing left behind."""

import json
from contextlib import closing

import pytest

from headrace.db import Database
from headrace.migrations import upgrade
from tests.commands import in_process
from tests.scene import LANE, Scene, succeeded

PROMPT = '{"prompt": "How deep is the sea?", "model": "gpt-4o-mini", "max_tokens": 50}\n'
OTHER = '{"prompt": "How deep is the sea?", "model": "nobody-has-a-price"}\n'


@pytest.fixture
def estimate(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_RPM", "60")

    def run(text, *options):
        (tmp_path / "in.jsonl").write_text(text)
        return in_process(monkeypatch, capfd, "estimate", "in.jsonl", "--data-dir", "data", *options)

    return run


def test_each_model_has_a_row_and_nothing_is_made(estimate, tmp_path):
    status, said, told = estimate(PROMPT * 2 + OTHER)

    assert (status, told) == (0, "")
    assert "gpt-4o-mini" in said
    assert "$0.00006" in said
    assert "no price is known for 1 of 3 requests" in said
    assert "duration: 0:03 at least, by rpm of quota default" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_lines_that_would_be_refused_are_told_by_the_users_own_lines(estimate):
    text = PROMPT + "\n\n" + '{"a": 1}\n' + PROMPT

    status, said, told = estimate(text)
    skipped, shown, _ = estimate(text, "--invalid-lines", "skip", "--json")

    fault = "there is no 'messages', no 'prompt', and no 'body' of a batch line"
    assert (status, skipped) == (2, 0)
    assert "lines that would be refused: 1" in said
    assert f"will not run: in.jsonl:4: {fault}" in told
    made = json.loads(shown)
    assert made["refused"]["count"] == 1
    assert [(one["line"], one["message"]) for one in made["refused"]["data"]] == [(4, fault)]
    assert (made["object"], made["requests"], made["prompt_tokens_exact"]) == ("estimate", 2, True)


def test_the_same_id_twice_is_refused_like_a_run_would(estimate):
    line = '{"id": "a", "prompt": "x", "model": "m"}\n'

    status, shown, _ = estimate(line * 2, "--json")

    made = json.loads(shown)
    assert (status, made["requests"], made["refused"]["count"]) == (2, 1, 1)


def test_an_id_belongs_to_the_first_line_that_has_it_also_to_a_bad_one(estimate):
    good = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    lines = [good | {"body": {}}, good | {"body": body}, good | {"custom_id": "b", "body": body}]

    _, shown, _ = estimate("\n".join(map(json.dumps, lines)), "--model", "m", "--json")

    made = json.loads(shown)
    assert [(one["line"], one["code"]) for one in made["refused"]["data"]][1:] == [(2, "duplicate_custom_id")]
    assert (made["requests"], made["refused"]["count"]) == (1, 2)


def test_text_lines_take_their_model_from_the_command(estimate):
    status, shown, _ = estimate('{"prompt": "Hello"}', "--model", "gpt-4o", "--json")

    assert status == 0
    assert [one["model"] for one in json.loads(shown)["models"]] == ["gpt-4o"]


@pytest.mark.usefixtures("estimate")
def test_an_input_that_is_not_there_is_one_line(monkeypatch, capfd):
    ended = in_process(monkeypatch, capfd, "estimate", "nowhere.jsonl")

    assert ended == (2, "", "nowhere.jsonl: No such file or directory\n")


def test_completions_are_those_of_earlier_calls_in_the_data_folder(estimate, tmp_path):
    (tmp_path / "data").mkdir()
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'headrace.db'}")) as db:
        upgrade(db.engine)
        store = Scene(db)
        store.inline(6)
        store.land(*map(succeeded, store.fly()))

    _, shown, told = estimate('{"prompt": "Hello"}', "--model", LANE, "--json")

    made = json.loads(shown)
    assert told == ""
    assert (made["completion_tokens"]["expected"], made["completion_tokens_learned"]) == (20, True)


def test_a_database_without_our_tables_teaches_nothing(estimate, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "headrace.db").touch()

    status, shown, _ = estimate('{"prompt": "Hello"}', "--model", LANE, "--json")

    assert (status, json.loads(shown)["completion_tokens_learned"]) == (0, False)
