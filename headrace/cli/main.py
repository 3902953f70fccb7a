"""The `headrace` command: its subcommands, and what becomes of an error."""

import logging
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from sqlalchemy.exc import SQLAlchemyError

from headrace import __version__
from headrace.cli.batches import batches
from headrace.cli.budget import budget
from headrace.cli.cancel import cancel
from headrace.cli.conversion import BadInput
from headrace.cli.demo import demo
from headrace.cli.doctor import doctor
from headrace.cli.estimate import estimate
from headrace.cli.held import held
from headrace.cli.keys import keys
from headrace.cli.migrate import migrate
from headrace.cli.prices import prices
from headrace.cli.reconcile import reconcile_command
from headrace.cli.release import release
from headrace.cli.results import results
from headrace.cli.run import run
from headrace.cli.simulate import simulate
from headrace.cli.submit import submit_command
from headrace.cli.terminal import shown
from headrace.cli.up import up
from headrace.cli.usage import usage
from headrace.cli.watch import watch
from headrace.embedded import PartFailed
from headrace.errors import ConfigurationError, HeadraceError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Bulk LLM completions at exactly the rate that your account allows, with nothing lost.",
)
app.add_typer(keys, name="keys")
app.command("up")(up)
app.command("run")(run)
app.command("estimate")(estimate)
app.command("submit")(submit_command)
app.command("watch")(watch)
app.command("results")(results)
app.command("batches")(batches)
app.command("cancel")(cancel)
app.command("budget")(budget)
app.command("held")(held)
app.command("release")(release)
app.command("prices")(prices)
app.command("usage")(usage)
app.command("reconcile")(reconcile_command)
app.command("migrate")(migrate)
app.command("doctor")(doctor)
app.command("simulate")(simulate)
app.command("demo")(demo)


def main() -> None:
    """The console script. Exit status: 2 for what the user can correct, 1 for what went wrong otherwise."""
    to_stderr = RichHandler(console=Console(stderr=True), show_path=False, omit_repeated_times=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[to_stderr])
    try:
        app()
    except BadInput as error:
        _end(2, *str(error).splitlines())
    except ConfigurationError as error:
        _end(2, _line(error))
    except PartFailed as error:
        _end(1, *error.tail, _line(error))
    except (HeadraceError, OSError) as error:
        _end(1, _line(error))
    except SQLAlchemyError as error:
        _end(1, f"error: the database: {getattr(error, 'orig', None) or error}".splitlines()[0])


def _line(error: Exception) -> str:
    return " ".join(f"error: {error}".split())


def _end(status: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(shown(line), err=True)
    sys.exit(status)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before a subcommand."""
