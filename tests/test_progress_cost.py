"""What a batch's progress says of its cost, so far and in the end."""

from typing import Any

import pytest

from headrace.cli.progress import Display
from headrace.client import BatchView

SHOWN: dict[str, Any] = {
    "id": "batch_1",
    "status": "in_progress",
    "created_at": 1,
    "request_counts": {"total": 400, "completed": 100, "failed": 0},
    "errors": None,
    "metadata": None,
}


def said_of(capsys, cost, **counts):
    shown = SHOWN | {"request_counts": SHOWN["request_counts"] | counts}
    with Display() as display:
        display.show(BatchView.of(shown | ({"cost": cost} if cost else {})))
    return capsys.readouterr().out


def cost(usd, doubtful="0", unpriced=0):
    return {"usd": usd, "doubtful_usd": doubtful, "unpriced_calls": unpriced}


def test_a_part_of_a_batch_tells_what_the_whole_will_cost(capsys):
    assert "  $0.1200 of about $0.4800  0 failed\n" in said_of(capsys, cost("0.12"))


@pytest.mark.parametrize("done", [9, 400])
def test_too_few_requests_tell_nothing_and_all_of_them_what_it_cost(capsys, done):
    said = said_of(capsys, cost("1.5"), completed=done)

    assert "  $1.50  0 failed\n" in said
    assert "about" not in said


def test_a_cost_beside_unpriced_calls_is_not_all_of_it(capsys):
    said = said_of(capsys, cost("0.12", unpriced=3))

    assert "  $0.1200 + unknown of about $0.4800 + unknown  0 failed\n" in said
    assert "  $1.50 + unknown  0 failed\n" in said_of(capsys, cost("1.5", unpriced=3), completed=400)


@pytest.mark.parametrize("shown", [None, cost(None, unpriced=100)])
def test_what_has_no_price_and_an_older_headrace_say_nothing_of_cost(capsys, shown):
    assert "$" not in said_of(capsys, shown)
