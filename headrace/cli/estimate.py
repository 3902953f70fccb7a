"""`headrace estimate`: what INPUT would use, cost and take; nothing is sent."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import orjson
import typer
from sqlalchemy.exc import SQLAlchemyError

from headrace.cli.conversion import Input, Rules
from headrace.cli.estimate_table import show
from headrace.cli.inputs import read_input
from headrace.cli.options import DataDir, InputArgument, InvalidLines, Model, settings_here
from headrace.config import load_config
from headrace.db import Database
from headrace.doctor.database import absent
from headrace.estimate_object import estimate_object
from headrace.estimating import Asked, Estimator, FaultAt
from headrace.lengths import Experience
from headrace.lines import Refused, check_line, duplicate
from headrace.migrations import Standing, standing
from headrace.settings import Settings
from headrace.store.history import experiences

AsJson = Annotated[bool, typer.Option("--json", help="Print the estimate object of the API.")]


def estimate(
    given: InputArgument,
    model: Model = None,
    data_dir: DataDir = None,
    invalid_lines: InvalidLines = "fail",
    as_json: AsJson = False,
) -> None:
    """Say what INPUT would use, cost and take, without sending anything.

    Completions are expected to be like those of earlier calls in the data folder's database. Exit status: 2
    if lines cannot be run, unless these are to be skipped.
    """
    settings = settings_here(data_dir)
    config = load_config(settings, with_keys=False)
    at = datetime.now(UTC)
    with TemporaryDirectory(prefix="headrace-") as scratch:
        rules = Rules(model, lambda name: config.route(name) is not None, settings.max_body_bytes, skip=True)
        made = read_input(given, Path(scratch), rules)
        found = Estimator(config, _history(settings, at), at).estimate(_requests(made, rules))
    if as_json:
        typer.echo(orjson.dumps(estimate_object(found), option=orjson.OPT_INDENT_2))
    else:
        show(found)
    raise typer.Exit(2 if found.refused and invalid_lines == "fail" else 0)


def _history(settings: Settings, at: datetime) -> Mapping[str, Experience]:
    """Of all keys: here they are one person's. Empty without a database of this version."""
    if absent(settings.database):
        return {}
    with closing(Database(settings.database)) as database:
        try:
            if standing(database.engine) is not Standing.CURRENT:
                return {}
            with database.read() as session:
                return experiences(session, None, at)
        except SQLAlchemyError as error:
            typer.echo(f"earlier calls are not known: {getattr(error, 'orig', None) or error}", err=True)
            return {}


def _requests(made: Input, rules: Rules) -> Iterator[Asked | FaultAt]:
    """Those of the converted file, by their lines in the user's input.

    A custom_id belongs to the first line that has it, good or bad.
    """
    seen: set[str] = set()
    with made.path.open("rb") as lines:
        for number, raw in zip(made.line_numbers, lines, strict=True):
            checked = check_line(raw, made.endpoint, rules.knows_model)
            is_first = checked.custom_id not in seen
            if checked.custom_id is not None:
                seen.add(checked.custom_id)
            if isinstance(checked, Refused):
                yield FaultAt(number, made.refused.get(number, checked.fault))
            elif not is_first:
                yield FaultAt(number, made.refused.get(number, duplicate(checked.custom_id or "")))
            else:
                yield Asked(number, checked.endpoint, checked.model, checked.body)
