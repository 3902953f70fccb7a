"""A report on usage for people: a table, and a bar for each day."""

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from headrace.cli.moments import day
from headrace.cli.terminal import console, shown
from headrace.cli.usage_report import UNKNOWN, UsageReport, is_doubt_unknown, is_unknown, may_cost_more
from headrace.money import shown as usd
from headrace.periods import DAY
from headrace.store.postings import NOTHING, Posting

NUMBERS = (
    "calls",
    "input",
    "cached",
    "output",
    "reasoning",
    "cost",
    "not known: at most",
    "unpriced calls",
)
BAR_CHARACTERS = 40
ADVICE = "The cost of unpriced calls is in no sum: give prices as [prices.NAME] in headrace.toml."


def show(made: UsageReport) -> None:
    """Print it."""
    if not made.rows:
        console.print(f"No calls from {day(made.start)} to {day(made.end)}.")
        return
    console.print(_table(made))
    console.print(_bars(made))
    if made.total.unpriced_calls:
        console.print(f"\n{ADVICE}")


def cost(sums: Posting) -> str:
    """What is known of it; never $0 for what nobody knows."""
    if is_unknown(sums):
        return UNKNOWN
    return usd(sums.cost_nanos) + (f" + {UNKNOWN}" if sums.unpriced_calls else "")


def _table(made: UsageReport) -> Table:
    table = Table(*map(shown, made.headings), *NUMBERS, box=SIMPLE)
    for column in table.columns[len(made.headings) :]:
        column.justify = "right"
    for row in made.rows:
        cells = ["(none)" if cell is None else shown(cell) for cell in made.cells(row)]
        table.add_row(*cells, *_numbers(row.sums))
    if len(made.rows) > 1:
        table.add_section()
        table.add_row("all", *[""] * (len(made.headings) - 1), *_numbers(made.total))
    return table


def _numbers(sums: Posting) -> list[str]:
    return [
        f"{sums.calls:,}",
        f"{sums.prompt_tokens:,}",
        f"{sums.cached_tokens:,}",
        f"{sums.completion_tokens:,}",
        f"{sums.reasoning_tokens:,}",
        cost(sums),
        _at_most(sums),
        f"{sums.unpriced_calls:,}" if sums.unpriced_calls else "",
    ]


def _at_most(sums: Posting) -> str:
    """Of calls whose cost is in doubt."""
    if is_doubt_unknown(sums):
        return UNKNOWN
    if not sums.doubtful_calls and not sums.doubtful_nanos:
        return ""
    return usd(sums.doubtful_nanos) + (f" + {UNKNOWN}" if may_cost_more(sums) else "")


def _bars(made: UsageReport) -> Table:
    """A line for each day from the first with calls to the last; the dearest has the longest bar."""
    sums = {int(row.group["day"] or 0): row.sums for row in made.days}
    dearest = max(each.cost_nanos for each in sums.values())
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    for begin in range(min(sums), max(sums) + DAY, DAY):
        found = sums.get(begin, NOTHING)
        amount = cost(found) if any(found) else "no calls"
        table.add_row(day(begin), Text(_bar(found.cost_nanos, dearest), style="cyan"), amount)
    return table


def _bar(amount: int, most: int) -> str:
    return "█" * max(1, round(BAR_CHARACTERS * amount / most)) if amount > 0 else ""
