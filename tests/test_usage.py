"""Usage is read from whatever a provider's answer states, and a strange number never spoils a sum."""

import pytest

from headrace.usage import NO_USAGE, Usage, usage_of


def test_a_chat_completion_states_prompt_and_completion():
    answer = {
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 6, "accepted_prediction_tokens": 0},
        }
    }

    assert usage_of(answer) == Usage(19, 8, 10, 6, 29)


def test_a_response_states_input_and_output():
    answer = {
        "usage": {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 64},
            "total_tokens": 123,
        }
    }

    assert usage_of(answer) == Usage(36, 4, 87, 64, 123)


def test_an_embedding_has_no_completion():
    assert usage_of({"usage": {"prompt_tokens": 8, "total_tokens": 8}}) == Usage(8, 0, 0, 0, 8)


def test_a_total_that_is_not_stated_is_the_sum():
    assert usage_of({"usage": {"prompt_tokens": 8, "completion_tokens": 3}}) == Usage(8, 0, 3, 0, 11)


@pytest.mark.parametrize("answer", [{}, {"usage": None}, {"usage": []}, {"usage": 12}, {"usage": "12"}])
def test_no_usage_is_not_a_usage_of_nothing(answer):
    assert usage_of(answer) is None


@pytest.mark.parametrize("strange", [None, "7", 7.5, True, -1, 2**31, 10**30, [7], {"n": 7}, float("nan")])
def test_what_is_no_count_counts_as_nothing(strange):
    stated = {
        "prompt_tokens": strange,
        "completion_tokens": strange,
        "total_tokens": strange,
        "prompt_tokens_details": strange,
        "completion_tokens_details": {"reasoning_tokens": strange},
    }

    assert usage_of({"usage": stated}) == NO_USAGE


def test_the_second_name_counts_when_the_first_is_strange():
    assert usage_of({"usage": {"prompt_tokens": None, "input_tokens": 5}}) == Usage(5, 0, 0, 0, 5)


def test_usage_adds_up_field_by_field():
    assert sum([Usage(1, 2, 3, 4, 5), Usage(10, 20, 30, 40, 50)], NO_USAGE) == Usage(11, 22, 33, 44, 55)
