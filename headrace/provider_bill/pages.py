"""A bill as JSON: what `GET /organization/costs` answers (contract 7.3), one page or a list of pages."""

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.exact_json import loads
from headrace.provider_bill.bill import Collected
from headrace.provider_bill.fields import USD, check_currency, day_of, usd_of


def read_pages(text: str, into: Collected) -> None:
    """All charges of it, and all faults with their places."""
    try:
        document = loads(text)
    except ValueError as error:
        into.fault(str(getattr(error, "lineno", 1)), f"this is no JSON: {error}")
        return
    pages = document if isinstance(document, list) else [document]
    for number, page in enumerate(pages, 1):
        _read_page(page, f"page {number}", into)
    last = pages[-1] if pages else None
    if isinstance(last, Mapping) and last.get("has_more"):
        into.fault(f"page {len(pages)}", "it says has_more: put all pages into one list")


def _read_page(page: Any, where: str, into: Collected) -> None:
    for place, bucket in _members(page, "data", f"{where}, bucket", where, into):
        day = into.parsed(place, "start_time", day_of, bucket.get("start_time"))
        if day is None:
            continue
        into.covers(day)
        for at, result in _members(bucket, "results", f"{place}, result", place, into):
            _read_result(result, day, at, into)


def _read_result(result: Mapping[str, Any], day: int, where: str, into: Collected) -> None:
    amount = result.get("amount")
    if not isinstance(amount, Mapping):
        into.fault(where, "it has no amount")
        return
    usd = into.parsed(where, "amount.value", usd_of, amount.get("value"))
    into.parsed(where, "amount.currency", check_currency, amount.get("currency", USD))
    if usd is not None:
        into.charge(day, str(result.get("line_item") or ""), usd)


def _members(
    holder: Any, name: str, each: str, where: str, into: Collected
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in a list that an object has, and their places."""
    listed = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(listed, list):
        into.fault(where, f"it has no list {name!r}, as GET /organization/costs answers")
        return
    for number, member in enumerate(listed, 1):
        if isinstance(member, Mapping):
            yield f"{each} {number}", member
        else:
            into.fault(f"{each} {number}", "this is no object")
