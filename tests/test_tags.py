"""Tags of batches and jobs: where they come from, and the sums that are kept for them."""

import pytest
from sqlalchemy import select

from headrace.settings import Settings
from headrace.store import tables, tag_sets
from headrace.tags import MOST_SETS, TagSets, tags_of
from tests.batch_input import given, ingesting, line
from tests.scene import succeeded

pytest_plugins = ["tests.databases", "tests.hints"]


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [
        ({"project": "mill", "wheel": 2, "wet": True}, {"project": "mill", "wheel": "2", "wet": "true"}),
        ({"nested": {"a": 1}, "list": [1], "null": None, "kept": "x"}, {"kept": "x"}),
        ({"headrace.priority": "5", "k" * 65: "x", "long": "x" * 513, "nul": "\0"}, {}),
        ({str(number): "x" for number in range(20)}, {str(number): "x" for number in range(16)}),
        (None, {}),
        ("text", {}),
        ([1], {}),
    ],
)
def test_tags_are_the_key_values_of_metadata(metadata, tags):
    assert tags_of(metadata) == tags


def test_a_set_has_one_id_whatever_the_order_of_its_tags():
    sets, again = TagSets({"b": "2"}), TagSets()

    assert sets.id_of({"a": "1"}) == again.id_of({"b": "2", "a": "1"}) != sets.id_of({})
    assert TagSets().id_of({}) == ""


def test_a_job_s_own_tag_goes_before_that_of_its_batch():
    sets = TagSets({"project": "mill", "team": "water"})

    tags_id = sets.id_of({"project": "dam"})

    assert sets.texts([tags_id, ""]) == {tags_id: '{"project": "dam", "team": "water"}'}


def test_after_a_thousand_sets_a_tag_of_many_values_is_left_out_and_the_others_stay():
    sets = TagSets({"project": "mill"})
    of_docs = {sets.id_of({"doc": str(number), "team": "dam"}) for number in range(MOST_SETS + 500)}

    assert len(of_docs) == MOST_SETS  # one is that of the batch alone, and one has the team alone
    assert sets.id_of({"doc": "another", "team": "dam"}) == sets.id_of({"team": "dam"})
    assert sets.id_of({"doc": "another"}) == sets.id_of({})
    assert sets.id_of({"doc": "1", "team": "dam"}) != sets.id_of({"team": "dam"})


def test_the_sets_of_an_input_have_a_bound_whatever_its_tags_are():
    sets = TagSets()

    ids = {sets.id_of({"a": str(number), "b": str(number // 2)}) for number in range(5 * MOST_SETS)}

    assert len(ids) <= 2 * MOST_SETS + 1


def test_an_ingest_writes_the_tags_of_batch_line_and_body(store, tmp_path):
    settings = Settings(data_dir=tmp_path, provider_url="http://127.0.0.1:9/v1")
    lines = [
        line("a"),
        line("b", metadata={"team": "wheel"}),
        line("c", body={"metadata": {"team": "dam"}}, metadata={"step": 3}),
    ]
    batch_id = given(store, settings, *lines)
    store.set_batch(batch_id, metadata={"project": "mill"})

    ingesting(store, settings, batch_id).run()

    ids = [job.tags_id for job in store.jobs(batch_id)]
    with store.db.read() as session:
        known = tag_sets.known(session, ids)
    assert [known[tags_id] for tags_id in ids] == [
        {"project": "mill"},
        {"project": "mill", "team": "wheel"},
        {"project": "mill", "team": "dam", "step": "3"},
    ]
    store.land(*map(succeeded, store.fly()))
    with store.db.read() as session:
        assert set(session.execute(select(tables.usage_hours.c.tags_id)).scalars()) == set(ids)
    assert "metadata" not in store.jobs(batch_id)[1].body  # a line's own is not for the provider
