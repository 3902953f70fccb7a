"""Answers that are lost: the SDK repeats its request, and nothing is made twice (decision 12)."""

import uuid

import openai
import pytest

from tests.sdk.batches import CHAT

WANTED = {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"}
LINES = b'{"custom_id": "a"}\n' * 10_000


def made(sdk, client, name):
    """The ids of the batches of this name."""
    batches = sdk.all(client.batches.list(limit=100))
    return [batch.id for batch in batches if (batch.metadata or {}).get("name") == name]


@pytest.mark.parametrize(
    "faults", [("cut",), ("done and 503",), ("503",), ("cut", "done and 503"), ("503", "cut")], ids=" ".join
)
def test_a_batch_whose_answer_was_lost_is_not_made_twice(sdk, client, relay, relayed, faults):
    name = uuid.uuid4().hex
    relay.spoil(*faults)

    batch = sdk.run(relayed.batches.create(**WANTED, metadata={"name": name}))

    assert [seen.retry_count for seen in relay.seen] == list(range(len(faults) + 1))
    assert made(sdk, client, name) == [batch.id]


def test_who_makes_the_same_batch_twice_has_two(sdk, client):
    name = uuid.uuid4().hex

    batches = [sdk.run(client.batches.create(**WANTED, metadata={"name": name})).id for _ in range(2)]

    assert made(sdk, client, name) == batches[::-1]


def test_the_same_idempotency_key_is_the_same_batch(sdk, relay, relayed):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    relay.spoil("cut")

    batches = [sdk.run(relayed.batches.create(**WANTED, extra_headers=key)).id for _ in range(2)]

    assert batches[0] == batches[1]
    assert {seen.headers["idempotency-key"] for seen in relay.seen} == set(key.values())
    assert len(relay.seen) == 3


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_an_upload_whose_answer_was_lost_is_sent_again_whole(sdk, client, relay, relayed, tmp_path, fault):
    path = tmp_path / "input.jsonl"
    path.write_bytes(LINES)
    relay.spoil(fault)

    with path.open("rb") as opened:
        made = sdk.run(relayed.files.create(file=opened, purpose="batch"))

    assert [seen.retry_count for seen in relay.seen] == [0, 1]
    assert sdk.run(client.files.content(made.id)).read() == LINES


@pytest.mark.parametrize("faults", [("cut",), ("503", "503")], ids=" ".join)
def test_a_look_that_failed_is_repeated(sdk, client, relay, relayed, faults):
    batch = sdk.run(client.batches.create(**WANTED))
    relay.spoil(*faults)

    assert sdk.run(relayed.batches.retrieve(batch.id)).id == batch.id
    assert [seen.retry_count for seen in relay.seen] == list(range(len(faults) + 1))


def test_an_error_that_stays_is_an_exception_after_three_tries(sdk, relay, relayed):
    relay.spoil("503", "503", "503")

    with pytest.raises(openai.InternalServerError) as caught:
        sdk.run(relayed.models.list())

    assert caught.value.status_code == 503
    assert len(relay.seen) == 3
