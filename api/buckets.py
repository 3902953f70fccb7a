"""Pages of buckets of time, as OpenAI's reports on usage and costs have them (contract 7.2)."""

import re
from typing import Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from api.report_query import refuse, this_hour_over
from headrace.periods import DAY
from headrace.store.postings import HOUR

WIDTHS = {"1h": HOUR, "1d": DAY}
PAGE = re.compile(r"page_([0-9]{1,12})")

Result = TypeVar("Result", bound=BaseModel)


class Bucket(BaseModel, Generic[Result]):
    """An hour or a day of UTC. It has no results where there was no call."""

    object: Literal["bucket"] = "bucket"
    start_time: int
    end_time: int
    results: list[Result]


class BucketPage(BaseModel, Generic[Result]):
    """Buckets in the order of time. While `has_more`, `page` takes `next_page`."""

    object: Literal["page"] = "page"
    data: list[Bucket[Result]]
    has_more: bool
    next_page: str | None


class Span(NamedTuple):
    """The buckets of one page: from `start` to `end`, and more until `last`."""

    start: int
    end: int
    last: int
    width: int

    @classmethod
    def of(cls, start_time: int, end_time: int | None, width: int, limit: int, page: str | None) -> "Span":
        """The page that is asked for. Whole buckets: those that the two times are in belong to it.

        None begins in the future. Raises InvalidRequest.
        """
        if end_time is not None and end_time <= start_time:
            raise refuse("end_time", "'end_time' must be after 'start_time'.")
        first, last = start_time // width * width, min(end_time or this_hour_over(), this_hour_over())
        last = max(first, -(-last // width) * width)
        start = first if page is None else _begin(page)
        if start % width or not first <= start <= last:
            raise refuse("page", "'page' must be the 'next_page' of an answer to the same request.")
        return cls(start, min(start + limit * width, last), last, width)

    def page(self, results: dict[int, list[Result]]) -> BucketPage[Result]:
        """The results by the beginning of their bucket, as an answer."""
        begins = range(self.start, self.end, self.width)
        buckets = [
            Bucket(start_time=begin, end_time=begin + self.width, results=results.get(begin, []))
            for begin in begins
        ]
        more = self.end < self.last
        return BucketPage(data=buckets, has_more=more, next_page=f"page_{self.end}" if more else None)


def _begin(page: str) -> int:
    """Where a page begins; nowhere, if that is no page."""
    found = PAGE.fullmatch(page)
    return int(found[1]) if found else -1
