"""INPUT of the command line: every form that it may have, and every fault."""

import io
import json
import os
import sys
import threading
import tracemalloc

import pytest

from headrace.cli.conversion import BadInput, Rules
from headrace.cli.inputs import read_input

BATCH_LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5},
}


@pytest.fixture
def read(tmp_path):
    """Reads an input of these bytes; returns the Input, and its requests."""

    def read(content, name="input.jsonl", model="m", knows_model=lambda _: True, max_line_bytes=10_000):
        folder = tmp_path / "converted"
        folder.mkdir(exist_ok=True)
        given = tmp_path / name
        given.write_bytes(content if isinstance(content, bytes) else content.encode())
        made = read_input(str(given), folder, Rules(model, knows_model, max_line_bytes))
        return made, [json.loads(line) for line in made.path.read_bytes().splitlines()]

    return read


@pytest.fixture
def faults(read, tmp_path):
    """What is said about an input, without the folder of its file."""

    def faults(content, **options):
        with pytest.raises(BadInput) as raised:
            read(content, **options)
        return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]

    return faults


def lines(*documents):
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)


def chat(content, **options):
    return {"messages": [{"role": "user", "content": content}], **options}


def test_batch_lines_stay_as_they_are(read):
    made, requests = read(lines(BATCH_LINE, BATCH_LINE | {"custom_id": "b"}), model=None)

    assert requests == [BATCH_LINE, BATCH_LINE | {"custom_id": "b"}]
    assert made.endpoint == "/v1/chat/completions"
    assert made.places == {"a": 0, "b": 1}


def test_a_body_is_written_as_it_was_read_to_the_letter(read):
    prompt = r'"n": -0, "prompt": "cut \ud83d", "top_p": 0.10, "seed": 123456789012345678901, "x": [1e400]'
    body = r'"n":-0,"top_p":0.10,"seed":123456789012345678901,"x":[1e400],"model":"m"'
    messages = r'"messages":[{"role":"user","content":"cut \ud83d"}]'

    made, _ = read(f"{{{prompt}}}\n")

    assert f'"body":{{{messages},{body}}}'.encode() in made.path.read_bytes()


def test_lines_with_messages_become_chat_requests_and_keep_their_options(read):
    _, (request,) = read(lines(chat("Hi", model="own", temperature=0, metadata={"a": "b"})))

    assert request == {
        "custom_id": "line-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": chat("Hi", model="own", temperature=0, metadata={"a": "b"}),
    }


def test_lines_with_a_prompt_become_a_question_of_the_user(read):
    _, (request,) = read(lines({"prompt": "为什么？", "max_tokens": 5}))

    assert request["body"] == chat("为什么？", model="m", max_tokens=5)


def test_an_id_may_be_called_id_and_may_be_a_number(read):
    _, requests = read(lines(*({"prompt": "Hi", "id": 7}, {"prompt": "Hi", "custom_id": "x", "id": 8})))

    assert [request["custom_id"] for request in requests] == ["7", "x"]
    assert requests[0]["body"] == requests[1]["body"] == chat("Hi", model="m")


@pytest.mark.parametrize("name", ["prompts.txt", "prompts", "prompts.md"])
def test_text_is_a_prompt_a_line_and_blank_lines_do_not_count(read, name):
    made, requests = read("  First?  \r\n\n \t\nSecond?", name=name)

    assert [request["body"]["messages"][0]["content"] for request in requests] == ["First?", "Second?"]
    assert [request["custom_id"] for request in requests] == ["line-1", "line-4"]
    assert list(made.line_numbers) == [1, 4]


def test_a_txt_file_is_text_even_where_it_looks_like_json(read):
    _, (request,) = read('{"prompt": "Hi"}\n', name="prompts.txt")

    assert request["body"]["messages"][0]["content"] == '{"prompt": "Hi"}'


@pytest.mark.parametrize("name", ["input.jsonl", "input.ndjson", "INPUT.JSON"])
def test_a_json_file_whose_first_line_is_broken_is_not_sent_as_text(faults, name):
    assert faults("[\n" + lines({"prompt": "Hi"}), name=name)[0].startswith(f"{name}:1: this is no JSON")


def test_an_unnamed_input_is_json_if_its_first_line_that_is_not_blank_begins_with_a_brace(read):
    _, (request,) = read("\n  \n" + lines({"prompt": "Hi"}), name="input")

    assert request["body"] == chat("Hi", model="m")


@pytest.mark.parametrize("content", [lines({"prompt": "Hi"}), "Hi\n"])
def test_a_byte_order_mark_is_no_part_of_the_input(read, content):
    _, (request,) = read(b"\xef\xbb\xbf" + content.encode(), name="input")

    assert request["body"] == chat("Hi", model="m")


def test_standard_input_is_read_to_its_end(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"One?\nTwo?\n")))

    made = read_input("-", tmp_path, Rules("m", lambda _: True, 100))

    assert (made.name, made.total) == ("stdin", 2)


def test_a_named_pipe_can_be_read_though_only_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(lines({"prompt": "Hi", "id": "line-1"}),))
    writer.start()

    made = read_input(str(pipe), tmp_path, Rules("m", lambda _: True, 100))
    writer.join(10)

    assert made.places == {"line-1": 0}


def test_the_model_of_a_line_goes_before_that_of_the_command(read):
    _, requests = read(lines(chat("Hi", model="own"), chat("Hi"), {**BATCH_LINE, "body": chat("Hi")}))

    assert [request["body"]["model"] for request in requests] == ["own", "m", "m"]


def test_generated_ids_never_collide_with_given_ones(read):
    given = [
        {"prompt": "Hi", "id": "line-2"},
        {"prompt": "Hi"},
        {"prompt": "Hi"},
        {"prompt": "Hi", "id": "line-3"},
    ]
    made, requests = read(lines(*given))

    assert [request["custom_id"] for request in requests] == ["line-2", "line-2-2", "line-3-2", "line-3"]
    assert len(made.places) == 4


def test_the_hash_is_that_of_the_requests_and_not_of_their_spelling(read):
    first, _ = read(lines({"prompt": "Hi"}))
    spaced, _ = read('{ "prompt":"Hi" }')
    other_model, _ = read(lines({"prompt": "Hi"}), model="other")

    assert first.sha256 == spaced.sha256 != other_model.sha256
    assert len(first.sha256) == 64


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "this is no JSON from column 2 on"),
        ("[1]", "this is no JSON object"),
        ('{"prompt": NaN}', "NaN is no JSON"),
        ('{"text": "Hi"}', "there is no 'messages', no 'prompt', and no 'body' of a batch line"),
        ('{"prompt": "Hi", "messages": [{}]}', "'messages' and 'prompt' exclude each other"),
        ('{"prompt": ["Hi"]}', "'prompt' must be text, and not empty"),
        ('{"prompt": " "}', "'prompt' must be text, and not empty"),
        ('{"messages": []}', "'body.messages' is required and must not be empty."),
        ('{"messages": ["Hi"]}', "'body.messages' must be a list of objects."),
        ('{"prompt": "Hi", "stream": true}', "A request in a batch cannot stream."),
        ('{"prompt": "Hi", "custom_id": ""}', "'custom_id' must be a string"),
        ('{"prompt": "Hi", "id": true}', "'custom_id' must be a string"),
        ('{"prompt": "Hi", "model": "unknown"}', "The model 'unknown' is not configured here."),
        (
            '{"prompt": "Hi", "x": ' + "[" * 80 + "]" * 80 + "}",
            "'body' must not be nested more than 64 levels deep.",
        ),
        ('{"url": "/v1/chat/completions", "body": {}}', "Missing required parameter: 'custom_id'."),
        ('{"prompt": "Hi", "id": "first"}', "'custom_id' is that of line 1 too"),
        ('{"prompt": "' + "x" * 1000 + '"}', "the line is longer than 1000 bytes"),
    ],
)
def test_a_faulty_line_is_named_with_its_fault(faults, line, said):
    content = lines({"prompt": "Hi", "id": "first"}) + "\n" + line + "\n" + lines({"prompt": "Hi"})

    (told,) = faults(content, knows_model=lambda model: model == "m", max_line_bytes=1000)

    assert told.startswith(f"input.jsonl:3: {said}")


def test_a_model_is_needed_from_somewhere(faults):
    assert faults("Hi\n", name="prompts.txt", model=None) == [
        "prompts.txt:1: there is no 'model': write one into the line, or give --model"
    ]


def test_text_must_be_utf_8(faults):
    assert faults("Hi\ncaf\u00e9\n".encode("latin-1"), name="prompts.txt") == [
        "prompts.txt:2: byte 4 is not UTF-8"
    ]


def test_one_input_is_for_one_endpoint(faults):
    embedding = {
        "custom_id": "b",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": "m", "input": "Hi"},
    }

    assert faults(lines(BATCH_LINE, embedding)) == [
        "input.jsonl:2: 'url' is /v1/embeddings, and /v1/chat/completions before: "
        "an input is for one endpoint"
    ]


def test_all_faults_are_told_at_once_but_no_more_than_twenty(faults):
    told = faults(lines({"prompt": "Hi"}, *({"text": n} for n in range(25))))

    assert [line.split(":")[1] for line in told[:20]] == [str(number) for number in range(2, 22)]
    assert told[20:] == ["input.jsonl: and 5 more"]


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_an_empty_input_is_refused(faults, content):
    assert faults(content) == ["input.jsonl: there is nothing to run in it"]


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere.jsonl", "No such file or directory"), (".", "Is a directory")]
)
def test_an_input_that_cannot_be_read_is_named(tmp_path, name, said):
    with pytest.raises(BadInput, match=f"{name}: {said}"):
        read_input(str(tmp_path / name), tmp_path, Rules("m", lambda _: True, 100))


def test_the_memory_for_an_input_does_not_grow_with_its_bodies(tmp_path):
    given = tmp_path / "input.jsonl"
    with given.open("w") as out:
        out.writelines(lines({"prompt": f"{number} " + "x" * 20_000}) for number in range(1_000))
    tracemalloc.start()

    made = read_input(str(given), tmp_path, Rules("m", lambda _: True, 100_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert made.total == 1_000
    assert peak < 2_000_000 < given.stat().st_size / 10
