"""A provider's bill against the ledger: what agrees, what may, and what does not."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from headrace.cli.reconcile_table import as_object
from headrace.periods import DAY
from headrace.provider_bill import Charge, model_of
from headrace.reconciling import Ours, Verdict, reconcile

FIRST = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())


def charge(amount: str, item: str = "m, input", day: int = FIRST) -> Charge:
    return Charge(day, item, model_of(item), Decimal(amount))


def ours(cost: int, model: str = "m", *, day: int = FIRST, calls: int = 1, doubt: int = 0, unpriced: int = 0):
    return Ours(day, model, calls, cost, doubt, unpriced)


@pytest.mark.parametrize(
    ("mine", "amount", "verdict"),
    [
        (ours(10**9), "1", Verdict.AGREES),
        (ours(10**9, calls=100), "1.00000005", Verdict.AGREES),  # half a nano for each call
        (ours(10**9, calls=100), "0.99999995", Verdict.AGREES),
        (ours(10**9, calls=100), "1.000000051", Verdict.DIFFERS),
        (ours(10**9), "0.999", Verdict.DIFFERS),
        (ours(10**9, doubt=10**8), "1", Verdict.AGREES),
        (ours(10**9, doubt=10**8), "1.1", Verdict.IN_DOUBT),
        (ours(10**9, doubt=10**8), "1.2", Verdict.DIFFERS),
        (ours(10**9, unpriced=1), "7", Verdict.UNKNOWN),
        (ours(10**9, unpriced=1), "1", Verdict.UNKNOWN),
        (ours(10**9, unpriced=1), "0.5", Verdict.DIFFERS),  # the others alone cost more
    ],
)
def test_a_line_agrees_is_in_doubt_is_unknown_or_differs(mine, amount, verdict):
    found = reconcile([mine], [charge(amount)])

    assert [line.verdict for line in found.lines] == [verdict]
    assert found.verdict is verdict
    assert verdict.is_good == (verdict in (Verdict.AGREES, Verdict.IN_DOUBT))


@pytest.mark.parametrize(
    ("called", "charged", "lines"),
    [
        (["m"], ["m-2026-01-02"], ["m"]),
        (["m"], ["m-2026-01-02", "m-2026-05-06"], ["m"]),
        (["m", "m-2026-01-02"], ["m-2026-01-02"], ["m"]),
        (["m-2026-01-02"], ["m-2026-01-02", "m-2026-05-06"], ["m-2026-01-02", "m-2026-05-06"]),
        (["m"], ["m-mini-2026-01-02"], ["m", "m-mini-2026-01-02"]),
        (["m-mini"], ["m-2026-01-02"], ["m-2026-01-02", "m-mini"]),
    ],
)
def test_snapshots_belong_to_the_model_that_was_called(called, charged, lines):
    found = reconcile(
        [ours(1, model) for model in called], [charge("1", f"{name}, input") for name in charged]
    )

    assert [line.name for line in found.lines] == lines


def test_both_sides_are_summed_by_day_and_model_and_over_all_days():
    mine = [ours(10**9), ours(5 * 10**8, day=FIRST + DAY), ours(10**9)]
    charges = [
        charge("1.5"),
        charge("0.25", "m, output"),
        charge("0.25", "flex | m, cached input, long context"),
        charge("0.5", day=FIRST + DAY),
    ]

    found = reconcile(mine, charges)

    assert [(line.day, line.ours, line.theirs) for line in found.lines] == [
        (FIRST, 2, 2),
        (FIRST + DAY, Decimal("0.5"), Decimal("0.5")),
    ]
    assert [(line.name, line.calls, line.difference) for line in found.sums] == [("m", 3, Decimal())]
    assert found.total.theirs == Decimal("2.5")


def test_a_call_at_midnight_that_each_counts_on_another_day_is_no_difference_in_all():
    found = reconcile([ours(5), ours(7, day=FIRST + DAY)], [charge("0.000000012", day=FIRST + DAY)])

    assert [line.verdict for line in found.lines] == [Verdict.DIFFERS, Verdict.DIFFERS]
    assert found.verdict is Verdict.AGREES


def test_one_model_that_was_charged_too_much_is_not_made_up_for_by_another():
    found = reconcile([ours(10**9), ours(10**9, "n")], [charge("1.5"), charge("0.5", "n, input")])

    assert found.total.difference == 0
    assert found.verdict is Verdict.DIFFERS


def test_what_is_no_call_of_ours_is_listed_and_counted_and_makes_no_difference_to_the_verdict():
    found = reconcile([ours(10**9)], [charge("1"), charge("0.25", "web search tool calls"), charge("0", "")])

    assert [(line.name, line.is_model) for line in found.lines] == [
        ("m", True),
        ("no line item", False),
        ("web search tool calls", False),
    ]
    assert found.total.difference == found.of_others == Decimal("0.25")
    assert found.verdict is Verdict.AGREES
    assert [line["verdict"] for line in as_object(found)["lines"]] == ["agrees", None, None]
    assert reconcile([ours(1)], [charge("1e-9"), charge("0", "storage")]).verdict is Verdict.AGREES


def test_without_line_items_all_models_of_a_day_are_compared_together():
    found = reconcile([ours(1), ours(2, "n")], [charge("0.000000003", "")])

    assert [(line.name, line.calls, line.verdict) for line in found.lines] == [
        ("all models", 2, Verdict.AGREES)
    ]


def test_nothing_agrees_with_nothing():
    assert reconcile([], []).verdict is Verdict.AGREES
    assert reconcile([ours(0)], []).verdict is Verdict.AGREES
