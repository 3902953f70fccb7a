"""What administrators ask for: usage and costs of all keys."""

import openai
import pytest

START, DAY = 1_793_318_400, 86400  # where the usage of `tests/sdk_rig.py` begins, at midnight


@pytest.fixture(scope="module")
def usage(sdk, admin):
    return sdk.client(api_key=None, admin_api_key=admin).admin.organization.usage


def test_usage_comes_in_buckets_grouped_by_model_and_batch(sdk, usage):
    page = sdk.run(
        usage.completions(
            start_time=START, end_time=START + 3 * DAY, group_by=["model", "batch", "project_id"]
        )
    )

    assert (page.object, page.has_more, page.next_page) == ("page", False, None)
    assert [bucket.start_time for bucket in page.data] == [START, START + DAY, START + 2 * DAY]
    large, small = page.data[0].results
    assert (large.model, large.batch, large.num_model_requests) == ("large", True, 2)
    assert (large.input_tokens, large.input_cached_tokens, large.output_tokens) == (200, 80, 40)
    assert (small.model, small.batch, small.project_id) == ("small", False, None)
    assert page.data[1].results == []


def test_pages_of_usage_go_on_until_the_end(sdk, usage):
    asked = {"start_time": START, "end_time": START + 40 * 3600, "bucket_width": "1h", "limit": 30}
    first = sdk.run(usage.completions(**asked))
    second = sdk.run(usage.completions(**asked, page=first.next_page))

    assert (len(first.data), first.has_more) == (30, True)
    assert (len(second.data), second.has_more) == (10, False)


def test_usage_of_some_keys_and_models_alone(sdk, usage):
    page = sdk.run(usage.completions(start_time=START, end_time=START + DAY, models=["small"], batch=False))

    assert [result.num_model_requests for result in page.data[0].results] == [2]
    page = sdk.run(usage.completions(start_time=START, end_time=START + DAY, api_key_ids=["key_nobody"]))
    assert page.data[0].results == []


def test_costs_are_those_of_days_by_line_item(sdk, usage):
    page = sdk.run(usage.costs(start_time=START, end_time=START + 3 * DAY, group_by=["line_item"], limit=2))

    assert page.has_more
    large, small = page.data[0].results
    assert (large.line_item, large.amount.value, large.amount.currency) == ("large", 3.000000002, "usd")
    assert (small.line_item, small.amount.value, small.doubtful_usd) == ("small", 1.500000001, "0.002")
    last = sdk.run(
        usage.costs(
            start_time=START, end_time=START + 3 * DAY, group_by=["line_item"], limit=2, page=page.next_page
        )
    )
    assert [bucket.start_time for bucket in last.data] == [START + 2 * DAY]


def test_minutes_are_refused_with_the_reason(sdk, usage):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.run(usage.completions(start_time=START, bucket_width="1m"))

    assert (caught.value.param, caught.value.code) == ("bucket_width", "invalid_value")


def test_an_ordinary_key_is_no_admin_key_and_the_other_way_round(sdk, client, admin):
    as_admin = sdk.client(api_key=None, admin_api_key=client.api_key)
    with pytest.raises(openai.AuthenticationError) as caught:
        sdk.run(as_admin.admin.organization.usage.costs(start_time=START))
    assert "needs an admin key" in str(caught.value)

    with pytest.raises(openai.AuthenticationError) as caught:
        sdk.run(sdk.client(api_key=admin).files.list())
    assert "This is an admin key" in str(caught.value)
