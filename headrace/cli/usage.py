"""`headrace usage`: what calls used and cost."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace.cli.database import current
from headrace.cli.moments import moment
from headrace.cli.options import DataDir
from headrace.cli.remote import connected
from headrace.cli.usage_check import rebuild, verify
from headrace.cli.usage_exports import as_object, as_rows
from headrace.cli.usage_remote import from_api
from headrace.cli.usage_report import HEADINGS, UsageReport, from_database
from headrace.cli.usage_table import show
from headrace.clock import now
from headrace.errors import ConfigurationError
from headrace.spreadsheet import as_csv
from headrace.store.postings import HOUR
from headrace.store.reports import TAG, Wanted, is_group

BY = ("day", "hour", "month", "key", "model", "route", "batch")
GROUPS = {heading: group for group, heading in HEADINGS.items()}


def _groups(given: list[str] | None) -> list[str]:
    wrong = [name for name in given or () if name not in BY and not (name.startswith(TAG) and is_group(name))]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(BY)} and tag:NAME")
    return given or ["model"]


def _tags(given: list[str] | None) -> list[str]:
    if wrong := [each for each in given or () if not each.partition("=")[0] or "=" not in each]:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE")
    values: dict[str, str] = {}
    for name, _, value in (each.partition("=") for each in given or ()):
        if values.setdefault(name, value) != value:
            raise typer.BadParameter(f"no call has two values of the tag {name!r}")
    return given or []


def _moment(given: str | None) -> str | None:
    try:
        if given is not None:
            moment(given, now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return given


By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        callback=_groups,
        help=f"A line for each {', '.join(BY)} or tag:NAME; may be repeated. (default: model)",
        show_default=False,
    ),
]
Since = Annotated[
    str, typer.Option("--since", callback=_moment, help="7d, 36h and the like, or a date in UTC.")
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        callback=_moment,
        help="Up to this moment, not included; now, if not given.",
        show_default=False,
    ),
]
Models = Annotated[list[str] | None, typer.Option("--model", help="Calls of this model.", show_default=False)]
Keys = Annotated[
    list[str] | None, typer.Option("--key", help="Of this API key: its id or name.", show_default=False)
]
Batches = Annotated[list[str] | None, typer.Option("--batch", help="Of this batch.", show_default=False)]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME=VALUE",
        callback=_tags,
        help="With this tag: all, if several.",
        show_default=False,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="HEADRACE_URL",
        help="Ask this headrace: of its calls, those that the key may see.",
        show_default=False,
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="CSV, safe for spreadsheets.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Compare the sums kept with the ledger; exit status 1 if they differ."),
]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Make the sums again from the ledger.")]


def usage(
    by: By = None,
    since: Since = "30d",
    until: Until = None,
    models: Models = None,
    keys: Keys = None,
    batches: Batches = None,
    tags: Tags = None,
    to_csv: Csv = False,
    as_json: Json = False,
    verifies: Verify = False,
    rebuilds: Rebuild = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Show what calls used and cost, in the hours of UTC in which they departed.

    Without --url it is read from the database itself, and is of all API keys.
    """
    if sum((to_csv, as_json, verifies, rebuilds)) > 1:
        raise ConfigurationError("--csv, --json, --verify and --rebuild exclude each other")
    if verifies or rebuilds:
        if url is not None:
            raise ConfigurationError("--verify and --rebuild are for the database, not for a --url")
        (verify if verifies else rebuild)(data_dir)
        return
    wanted = Wanted(
        *_span(since, until),
        api_key_ids=keys or (),
        models=models or (),
        batch_ids=batches or (),
        tags={name: value for name, _, value in (each.partition("=") for each in tags or ())},
    )
    made = _report(wanted, _reported(by or ()), url, data_dir)
    if to_csv:
        typer.echo(as_csv(as_rows(made)), nl=False)
    elif as_json:
        typer.echo(orjson.dumps(as_object(made), option=orjson.OPT_INDENT_2))
    else:
        show(made)


def _report(wanted: Wanted, by: Sequence[str], url: str | None, data_dir: Path | None) -> UsageReport:
    if url is not None:
        with connected(url, data_dir) as client:
            return from_api(client, wanted, by)
    with current(data_dir) as database:
        return from_database(database, wanted, by)


def _span(since: str, until: str | None) -> tuple[int, int]:
    """Whole hours: both moments' hours belong to it. Raises ConfigurationError if it is empty."""
    at = now()
    start = max(0, moment(since, at))
    end = moment(until, at) if until else int((at + timedelta(seconds=1)).timestamp())
    if start >= end:
        raise ConfigurationError(f"--since {since} is not before {f'--until {until}' if until else 'now'}")
    return start // HOUR * HOUR, -(-end // HOUR) * HOUR


def _reported(by: Sequence[str]) -> list[str]:
    """The groups by the names that they have in reports, each once."""
    return list(dict.fromkeys(GROUPS.get(name, name) for name in by))
