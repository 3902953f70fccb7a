"""`headrace usage`: what calls used and cost, and whether that is what the ledger says."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from headrace import clock
from headrace.pricing import Price, Rates
from headrace.store import keys, prices, tag_sets, usage_hours
from headrace.store.postings import Key, Posting
from tests.commands import in_process
from tests.kinds import each_database_in_faults
from tests.scene import succeeded

pytest_plugins = ["tests.databases", "tests.nowhere"]
pytestmark = each_database_in_faults

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PRICE = Price("openai", "small-2026", rates=Rates(input=Decimal(1), output=Decimal(2)))
DEAR = Posting(
    calls=2,
    prompt_tokens=1000,
    cached_tokens=100,
    completion_tokens=500,
    reasoning_tokens=50,
    total_tokens=1500,
    cost_nanos=1_234_567_891,
)
UNPRICED = Posting(calls=3, prompt_tokens=7, completion_tokens=2, total_tokens=9, unpriced_calls=3)
DOUBTFUL = Posting(calls=1, cost_nanos=10**8, doubtful_calls=1, doubtful_tokens=99, doubtful_nanos=5 * 10**8)


OPEN = ["+", "unknown"]


class Frozen:
    """A clock that stands still."""

    def now(self):
        return NOW

    def look(self, _ask):
        """Nobody is asked."""


@pytest.fixture
def headrace(store, monkeypatch, capfd):
    """Runs a command on an empty database; returns its exit status, standard output and standard error."""
    url = store.db.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("HEADRACE_DATABASE_URL", url)
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    monkeypatch.setattr(clock, "_clock", Frozen())
    return partial(in_process, monkeypatch, capfd)


@pytest.fixture
def used(store):
    """Days of use by two keys: one model is dear, of one nobody knows the price. Returns the key ids."""
    with store.db.begin() as session:
        red, blue = (keys.create(session, f"team {name}")[0].id for name in ("red", "blue"))
        prices.remember(session, PRICE)
        tag_sets.remember(session, {"t1": '{"project": "alpha"}'})
        sums = [
            (_key(0, red, "small", PRICE.id, batch_id="batch_1"), DEAR),
            (_key(2, red, "new", ""), UNPRICED),
            (_key(2, blue, "small", PRICE.id, tags_id="t1"), DOUBTFUL),
            (_key(200, blue, "old", PRICE.id), DEAR),
        ]
        usage_hours.add(session, dict(sorted(sums)))
    return red, blue


def _key(days_ago, api_key_id, model, price_id, batch_id="", tags_id=""):
    hour = int((NOW - timedelta(days=days_ago)).timestamp()) // 3600 * 3600
    return Key(hour, api_key_id, model, price_id, batch_id, tags_id, "")


def lines(told: str) -> dict[str, list[str]]:
    """The cells of each line, by the first."""
    cells = [line.split() for line in told.splitlines() if line.strip()]
    return {first: rest for first, *rest in cells}


@pytest.mark.usefixtures("used")
def test_models_are_listed_with_what_is_known_of_their_cost_and_days_have_bars(headrace):
    status, told, _ = headrace("usage")

    found = lines(told)
    assert status == 0
    assert "old" not in found
    assert found["small"] == ["3", "1,000", "100", "500", "50", "$1.33", "$0.5000"]
    assert found["new"] == ["3", "7", "0", "2", "0", "unknown", "3"]
    assert found["all"] == ["6", "1,007", "100", "502", "50", "$1.33", *OPEN, "$0.5000", *OPEN, "3"]
    assert found["2026-11-22"] == ["█" * 40, "$1.23"]
    assert found["2026-11-21"] == ["no", "calls"]
    assert found["2026-11-20"] == ["█" * 3, "$0.1000", "+", "unknown"]
    assert "[prices.NAME]" in told.splitlines()[-1]


def test_lines_may_be_of_anything_that_calls_have_in_common(headrace, used):
    red, blue = used
    by_key = lines(headrace("usage", "--by", "key")[1])
    assert by_key[red][:3] == ["team", "red", "5"]
    assert by_key[blue][:3] == ["team", "blue", "1"]

    told = headrace(
        "usage", "--by", "tag:project", "--by", "route", "--by", "month", "--since", "2026-11-01"
    )[1]
    assert lines(told)["alpha"][:3] == ["openai/small-2026", "2026-11", "1"]
    assert "(none)" in told
    assert "2026-11-22 12:00" in headrace("usage", "--by", "hour")[1]
    assert lines(headrace("usage", "--by", "batch")[1])["batch_1"][0] == "2"


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["--model", "small"], 3),
        (["--model", "small", "--model", "new"], 6),
        (["--key", "team red"], 5),
        (["--batch", "batch_1"], 2),
        (["--tag", "project=alpha"], 1),
        (["--tag", "project=beta"], 0),
        (["--since", "1d"], 2),
        (["--since", "2026-11-20", "--until", "2026-11-22"], 4),
        (["--since", "365d"], 8),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("used")
def test_calls_may_be_chosen(headrace, options, calls):
    status, told, _ = headrace("usage", "--json", *options)

    assert (status, json.loads(told)["total"]["calls"]) == (0, calls)


@pytest.mark.usefixtures("used")
def test_programs_get_one_document_with_exact_amounts_as_text(headrace):
    made = json.loads(headrace("usage", "--json", "--by", "model", "--by", "batch")[1])

    rows = {tuple(row["group"].values()): row["cost"]["usd"] for row in made["rows"]}
    assert rows == {("new", None): None, ("small", None): "0.1", ("small", "batch_1"): "1.234567891"}
    assert made["by"] == ["model", "batch"]
    assert made["total"]["cost"] == {
        "usd": "1.334567891",
        "doubtful_usd": "0.5",
        "doubtful_calls": 1,
        "doubtful_tokens": 99,
        "unpriced_calls": 3,
    }
    assert [each["day"] for each in made["days"]] == ["2026-11-20", "2026-11-22"]
    assert made["start_time"] == int(datetime(2026, 10, 23, tzinfo=UTC).timestamp())


@pytest.mark.usefixtures("used")
def test_spreadsheets_get_exact_amounts_and_unknown_is_no_number(headrace):
    told = headrace("usage", "--csv")[1]

    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(told, newline=""))}
    assert rows["small"]["cost_usd"] == "1.334567891"
    assert rows["small"]["doubtful_usd"] == "0.5"
    assert rows["new"]["cost_usd"] == "unknown"


def test_what_calls_in_doubt_without_a_price_can_cost_is_unknown_everywhere(headrace, used, store):
    red, _ = used
    lost = Posting(calls=1, doubtful_calls=1, doubtful_tokens=9, unpriced_calls=1)
    with store.db.begin() as session:
        usage_hours.add(session, {_key(1, red, "lost", ""): lost})

    assert lines(headrace("usage")[1])["lost"] == ["1", "0", "0", "0", "0", "unknown", "unknown", "1"]
    made = json.loads(headrace("usage", "--json", "--model", "lost")[1])
    assert (made["total"]["cost"]["usd"], made["total"]["cost"]["doubtful_usd"]) == (None, None)
    told = headrace("usage", "--csv", "--model", "lost")[1]
    (row,) = csv.DictReader(io.StringIO(told, newline=""))
    assert (row["cost_usd"], row["doubtful_usd"]) == ("unknown", "unknown")


def test_where_there_were_no_calls_that_is_said(headrace):
    assert headrace("usage", "--since", "2026-11-01") == (0, "No calls from 2026-11-01 to 2026-11-22.\n", "")
    assert len(headrace("usage", "--csv")[1].splitlines()) == 1
    assert json.loads(headrace("usage", "--json")[1])["rows"] == []


@pytest.mark.parametrize(
    "options",
    [
        ["--by", "colour"],
        ["--by", "tag:"],
        ["--tag", "project"],
        ["--tag", "a=1", "--tag", "a=2"],
        ["--since", "soon"],
        ["--since", "9999-12-31", "--until", "9999-12-31T23:30"],
        ["--since", "2026-11-22", "--until", "2026-11-01"],
        ["--csv", "--json"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused(headrace, options):
    status, told, why = headrace("usage", *options)

    assert (status, told) == (2, "")
    assert why


def test_a_key_that_never_was_is_named(headrace):
    assert headrace("usage", "--key", "nobody")[::2] == (
        1,
        "error: there is no key 'nobody': `headrace keys list` has them all\n",
    )


def test_the_sums_are_compared_with_the_ledger_and_made_again(headrace, store):
    store.inline(1)
    store.land(succeeded(store.fly(1)[0]))
    assert headrace("usage", "--verify") == (0, "the sums kept are those of the ledger\n", "")

    wrong = Key(0, store.key_id, "m", "", "", "", "")
    with store.db.begin() as session:
        usage_hours.add(session, {wrong: Posting(calls=2, cost_nanos=5)})
    status, told, _ = headrace("usage", "--verify")
    assert status == 1
    for seen in ("1970-01-01 00:00", store.key_id, "calls +2, cost_nanos +5", "1 sums differ"):
        assert seen in told

    status, told, _ = headrace("usage", "--rebuild")
    assert (status, told) == (0, "the sums are made again from the ledger; 1 were different\n")
    assert headrace("usage", "--verify")[0] == 0


@pytest.mark.usefixtures("headrace")
def test_a_folder_without_a_database_is_named_and_not_made(monkeypatch, capfd, tmp_path):
    monkeypatch.delenv("HEADRACE_DATABASE_URL")
    folder = tmp_path / "typo"

    status, told, why = in_process(monkeypatch, capfd, "usage", "--data-dir", folder)

    assert (status, told) == (2, "")
    assert f"there is no {folder}/headrace.db yet" in why
    assert not folder.exists()
