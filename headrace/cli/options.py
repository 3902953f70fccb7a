"""Options that several commands share, and the settings that they make."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from headrace.embedded.environment import settled
from headrace.errors import ConfigurationError
from headrace.money import usd_of
from headrace.settings import Settings
from headrace.windows import RULE, is_window

NONE = "none"  # of a budget: any amount
DEFAULT_URL = "http://127.0.0.1:8000"

InputArgument = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="OpenAI batch lines; JSON lines with 'messages' or 'prompt'; a text file with one prompt a "
        "line; or - for standard input.",
        show_default=False,
    ),
]


def _window(value: str) -> str:
    if not is_window(value):
        raise typer.BadParameter(RULE)
    return value


def usd_or_nothing(value: str | None) -> str | None:
    """A callback: an amount of USD, if there is one."""
    if value is not None:
        try:
            usd_of(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return value


def usd_or_none(value: str | None) -> str | None:
    """A callback: the same, or the word `none`."""
    return value if value == NONE else usd_or_nothing(value)


BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Its id, batch_...", show_default=False)]
BatchOption = Annotated[
    str | None, typer.Option("--batch", help="Those of this batch, batch_...", show_default=False)
]
Ambiguous = Annotated[
    Literal["retry", "hold"],
    typer.Option(
        "--on-ambiguous",
        help="If nobody knows whether a call was paid for: call again, or hold it until `headrace release`.",
    ),
]
Window = Annotated[
    str,
    typer.Option(
        "--window", callback=_window, help="How long the batch may take: 90m, 24h, 7d and the like."
    ),
]
Priority = Annotated[
    int,
    typer.Option("--priority", min=-100, max=100, help="Requests of a higher one go first, for each model."),
]
InvalidLines = Annotated[
    Literal["fail", "skip"],
    typer.Option(
        "--invalid-lines",
        help="If lines of INPUT cannot be run: send nothing, or run the others, with these among the errors.",
    ),
]
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Its id, key_...", show_default=False)]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="USD",
        callback=usd_or_nothing,
        help="What it may spend at most: no call departs that could cost more.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="For the requests that name none.", show_default=False)
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where database, files, logs and API key lie. (default: $HEADRACE_DATA_DIR or headrace-data)",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Worker processes. (default: one a core)", show_default=False),
]
Url = Annotated[str, typer.Option("--url", envvar="HEADRACE_URL", help="Of the headrace that is asked.")]


def settings_of(data_dir: Path | None) -> Settings:
    """The environment's settings, with the data folder of the command line if that names one."""
    try:
        return Settings() if data_dir is None else Settings(data_dir=data_dir)
    except ValidationError as error:
        faults = (f"{_variable(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError("; ".join(faults)) from error


def settings_here(data_dir: Path | None) -> Settings:
    """Those that `headrace up` would have here."""
    settings = settings_of(data_dir)
    with suppress(ConfigurationError):  # no checkout here, so no other `headrace.toml`
        return settled(settings)
    return settings


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]).upper()
    return name if name == "OPENAI_API_KEY" else f"HEADRACE_{name}"
