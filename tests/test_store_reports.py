"""Reports over the sums by hour: which calls, grouped by what."""

from datetime import UTC, datetime

import pytest

from headrace.errors import InvalidRequest
from headrace.store import reports
from headrace.store.postings import Posting
from headrace.store.reports import Wanted, report
from tests.kinds import each_database_in_faults
from tests.spent import CALL, DAY, HOUR, LOST, MILL, START, UNPRICED, names, spend

pytest_plugins = ["tests.databases"]

NOVEMBER = START + 2 * DAY
ALL = Wanted(START, START + 60 * DAY)


@pytest.fixture
def rows(store):
    """What a report has: by the values of the groups, how many calls."""
    names(store.db)
    spend(store.db, "key_a", 0, CALL, CALL, price_id=MILL.id, tags_id="t-red", batch_id="batch_1")
    spend(store.db, "key_a", 1, CALL, price_id=MILL.id, tags_id="t-blue", service_tier="flex")
    spend(store.db, "key_a", 30, LOST, model="small")
    spend(store.db, "key_b", 60, UNPRICED, model="small", tags_id="t-red")

    def asked(wanted, *group_by):
        with store.db.read() as session:
            found = report(session, wanted, group_by)
        assert all(list(row.group) == list(group_by) for row in found)
        return {tuple(row.group.values()): row.sums.calls for row in found}

    return asked


@pytest.mark.parametrize(
    ("group_by", "calls"),
    [
        ((), {(): 5}),
        (("hour",), {(START,): 2, (START + HOUR,): 1, (START + 30 * HOUR,): 1, (START + 60 * HOUR,): 1}),
        (("day",), {(START,): 3, (START + DAY,): 1, (NOVEMBER,): 1}),
        (("month",), {(START - 29 * DAY,): 4, (NOVEMBER,): 1}),
        (("api_key_id",), {("key_a",): 4, ("key_b",): 1}),
        (("model",), {("large",): 3, ("small",): 2}),
        (("route",), {("mill/large-v2",): 3, (None,): 2}),
        (("price_id",), {(MILL.id,): 3, (None,): 2}),
        (("batch_id",), {("batch_1",): 2, (None,): 3}),
        (("in_batch",), {(False,): 3, (True,): 2}),
        (("service_tier",), {("flex",): 1, (None,): 4}),
        (("tag:team",), {("blue",): 1, ("red",): 3, (None,): 1}),
        (("tag:stage", "api_key_id"), {("test", "key_a"): 2, ("test", "key_b"): 1, (None, "key_a"): 2}),
        (("tag:no",), {(None,): 5}),
    ],
)  # fmt: skip
def test_calls_are_grouped_by_what_they_have_in_common(rows, group_by, calls):
    found = rows(ALL, *group_by)

    assert found == calls
    assert list(found) == list(calls)  # in this order


@each_database_in_faults
@pytest.mark.parametrize(
    ("chosen", "calls"),
    [
        ({"api_key_ids": ["key_a"]}, 4),
        ({"models": ["small", "none"]}, 2),
        ({"batch_ids": ["batch_1"]}, 2),
        ({"batch": True}, 2),
        ({"batch": False}, 3),
        ({"service_tiers": ["flex", "default"]}, 1),
        ({"tags": {"team": "red"}}, 3),
        ({"tags": {"team": "red", "stage": "no"}}, 0),
        ({"tags": {"team": "red"}, "models": ["small"]}, 1),
    ],
)
def test_only_calls_that_are_wanted_are_in_it(rows, chosen, calls):
    assert sum(rows(Wanted(ALL.start, ALL.end, **chosen), "day").values()) == calls


@each_database_in_faults
@pytest.mark.parametrize(
    ("start", "end", "calls"),
    [(0, 1, 2), (HOUR - 1, HOUR, 2), (HOUR, HOUR + 1, 1), (1, 30 * HOUR, 3), (HOUR, 60 * HOUR + 1, 3)],
)
def test_a_time_is_rounded_to_whole_hours_outwards(rows, start, end, calls):
    assert sum(rows(Wanted(START + start, START + end)).values()) == calls


def test_every_sum_is_there_also_beyond_32_bits(store):
    huge = Posting._make([*range(2**40, 2**40 + 14), 0])
    spend(store.db, "key_a", 0, huge)
    spend(store.db, "key_b", 0, huge)

    with store.db.read() as session:
        (row,) = report(session, ALL)

    assert row.sums == huge.plus(huge)


@each_database_in_faults
def test_what_was_taken_back_is_no_row(store):
    spend(store.db, "key_a", 0, CALL)
    spend(store.db, "key_a", 0, CALL.taken_back())

    with store.db.read() as session:
        assert report(session, ALL, ["hour"]) == []
        assert report(session, Wanted(0, 1)) == []


@each_database_in_faults
def test_a_report_of_more_rows_than_anybody_reads_is_refused(rows, monkeypatch):
    monkeypatch.setattr(reports, "MOST_GROUPS", 3)

    assert len(rows(ALL, "day")) == 3
    with pytest.raises(InvalidRequest, match="more than 3 rows"):
        rows(ALL, "hour")


@each_database_in_faults
@pytest.mark.parametrize("name", ["minute", "tag:", "calls"])
def test_a_group_that_there_is_not_is_an_error(rows, name):
    with pytest.raises(ValueError, match="no group"):
        rows(ALL, name)


def test_months_begin_where_the_calendar_says(store):
    for month in range(1, 13):
        begin = int(datetime(2028, month, 1, tzinfo=UTC).timestamp())
        spend(store.db, "key_a", (begin - START) // HOUR, CALL)
        spend(store.db, "key_a", (begin - START) // HOUR - 1, CALL)

    with store.db.read() as session:
        found = report(session, Wanted(0, 2**40), ["month"])

    begins = [datetime.fromtimestamp(int(row.group["month"] or 0), UTC) for row in found]
    assert [(begin.month, begin.day, begin.hour) for begin in begins] == [
        (12, 1, 0),
        *((month, 1, 0) for month in range(1, 13)),
    ]
    assert [row.sums.calls for row in found] == [1, *[2] * 11, 1]
