"""What a batch may be told beyond the contract: by fields of the body, or by metadata."""

from datetime import timedelta

import pytest

from headrace.ids import new_id
from tests.api_server import refusal
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

REQUEST = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
WINDOWS = {
    "1m": 60,
    "90m": 5400,
    "1h": 3600,
    "24h": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
    "43200m": 2_592_000,
}


def asked(api, **change):
    return api.call("POST", "/v1/batches", json={**REQUEST, **change})


@pytest.mark.parametrize(("window", "seconds"), WINDOWS.items())
@on_sqlite
def test_a_window_may_be_any_number_of_minutes_hours_or_days(api, window, seconds):
    made = api.sdk().batches.create(**{**REQUEST, "completion_window": window})

    assert made.completion_window == window
    assert made.expires_at - made.created_at == seconds


@pytest.mark.parametrize(
    "window", ["0m", "59s", "31d", "721h", "43201m", "1", "h", "1.5h", "-1h", "01h", "1H", "1h "]
)
@on_sqlite
def test_any_other_window_is_refused_with_the_form_that_it_must_have(api, window):
    error = refusal(asked(api, completion_window=window))

    assert (error["param"], error["code"]) == ("completion_window", "invalid_value")
    assert "'90m', '24h' or '7d', from 1m to 30d" in error["message"]


def test_what_a_batch_is_told_is_stored_and_shown(api, store):
    ours = {"priority": -100, "invalid_lines": "skip", "on_ambiguous": "hold"}
    expiry = {"anchor": "created_at", "seconds": 3600}

    made = api.sdk().batches.create(**REQUEST, output_expires_after=expiry, extra_body=ours)

    shown = api.sdk().batches.retrieve(made.id).to_dict()
    assert {name: shown[name] for name in ours} == ours
    row = store.batch_row(made.id)
    assert (row.priority, row.skip_invalid, row.hold_ambiguous, row.output_seconds) == (
        -100,
        True,
        True,
        3600,
    )


def test_what_a_batch_is_not_told_is_usual(api, store):
    made = asked(api, priority=None, invalid_lines=None, on_ambiguous=None, output_expires_after=None).json()

    assert (made["priority"], made["invalid_lines"], made["on_ambiguous"]) == (0, "fail", "retry")
    assert store.batch_row(made["id"]).output_seconds is None


@on_sqlite
def test_metadata_says_the_same_and_comes_back_as_it_was(api, store):
    metadata = {
        "headrace.priority": "42",
        "headrace.completion_window": "90m",
        "headrace.invalid_lines": "skip",
        "headrace.on_ambiguous": "hold",
        "run": "7",
    }

    made = api.sdk().batches.create(**REQUEST, metadata=metadata)

    assert made.metadata == metadata
    row = store.batch_row(made.id)
    assert (row.priority, row.skip_invalid, row.hold_ambiguous) == (42, True, True)
    assert (row.completion_window, row.expires_at - row.created_at) == ("90m", timedelta(minutes=90))


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value", "told", "meant"),
    [
        ("priority", 0, "9", 0),
        ("invalid_lines", "fail", "skip", "fail"),
        ("on_ambiguous", "retry", "hold", "retry"),
        ("completion_window", "2h", "90m", "2h"),
        ("completion_window", "24h", "90m", "90m"),
    ],
)
def test_a_field_goes_before_metadata_but_for_the_window_that_every_batch_must_have(
    api, field, value, told, meant
):
    made = asked(api, **{field: value}, metadata={f"headrace.{field}": told}).json()

    assert made[field] == meant


@on_sqlite
@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"priority": 101}, "priority", "integer_above_max_value"),
        ({"priority": -101}, "priority", "integer_below_min_value"),
        ({"priority": "5"}, "priority", "invalid_type"),
        ({"priority": 1.5}, "priority", "invalid_type"),
        ({"priority": True}, "priority", "invalid_type"),
        ({"invalid_lines": "ignore"}, "invalid_lines", "invalid_value"),
        ({"metadata": {"headrace.priority": "x"}}, "metadata.headrace.priority", "invalid_value"),
        ({"metadata": {"headrace.priority": ""}}, "metadata.headrace.priority", "invalid_value"),
        ({"metadata": {"headrace.priority": "101"}}, "metadata.headrace.priority", "integer_above_max_value"),
        (
            {"metadata": {"headrace.completion_window": "1y"}},
            "metadata.headrace.completion_window",
            "invalid_value",
        ),
        ({"metadata": {"headrace.invalid_lines": "x"}}, "metadata.headrace.invalid_lines", "invalid_value"),
        ({"metadata": {"headrace.on_ambiguous": "x"}}, "metadata.headrace.on_ambiguous", "invalid_value"),
        (
            {"metadata": {"headrace.priority": "x"}, "priority": 5},
            "metadata.headrace.priority",
            "invalid_value",
        ),
        ({"metadata": {"headrace.priorty": "5"}}, "metadata.headrace.priorty", "unknown_parameter"),
        ({"priorty": 5}, "priorty", "unknown_parameter"),
        ({"n" * 500: 5}, "n" * 64, "unknown_parameter"),
    ],
)
def test_what_is_wrong_is_named_and_no_batch_is_made(api, change, param, code):
    response = asked(api, **change)

    assert response.status_code == 400
    error = refusal(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert api.sdk().batches.list().data == []


@on_sqlite
def test_who_mistypes_a_name_is_told_the_names_that_there_are(api):
    message = refusal(asked(api, priorty=5))["message"]

    assert message.startswith("Unknown parameter: 'priorty'.")
    assert "priority, invalid_lines, on_ambiguous" in message


@on_sqlite
@pytest.mark.parametrize("after", ["file-1", "job_5", "batch_", "batch_\u00e9", "x", "batch_1 OR 1=1"])
def test_the_list_goes_on_behind_a_batch_only(api, after):
    error = refusal(api.call("GET", "/v1/batches", params={"after": after}))

    assert (error["param"], error["code"]) == ("after", "invalid_value")


def test_the_list_goes_on_behind_a_batch_that_is_not_there(api):
    sdk = api.sdk()
    first = sdk.batches.create(**REQUEST).id
    gone = new_id("batch_")
    sdk.batches.create(**REQUEST)

    assert [batch.id for batch in sdk.batches.list(after=gone)] == [first]
