"""What a batch will have cost in the end, from what it cost so far."""

from math import sqrt

from headrace.lengths import Range

LEAST_FINISHED = 10
LEAST_SHARE = 0.01
DOUBT = 2.0


def projected_cost(total: int, finished: int, cost_nanos: int, doubtful_nanos: int) -> Range | None:
    """Nanos of all `total` requests, when so many are finished and cost so much.

    Doubtful calls may have cost nothing (low), or all that they can have (high). None while too few are
    finished to tell. The rest is taken to be like the sample, give or take twice what chance makes of it.
    """
    if not total or finished < min(total, max(LEAST_FINISHED, total * LEAST_SHARE)):
        return None
    left = max(0, total - finished)
    each = cost_nanos / finished
    doubt = DOUBT * sqrt(1 / finished + 1 / max(1, left))  # of costs whose spread is as large as their mean
    at_most = cost_nanos + doubtful_nanos
    expected = cost_nanos + each * left
    high = at_most + (at_most / finished) * left * (1 + doubt)
    low = cost_nanos + each * left * max(0.0, 1 - doubt)
    return Range(round(low), round(expected), round(high))
