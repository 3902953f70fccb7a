"""What the children of a stack are told, so that from another folder they mean the same."""

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from headrace.config import DEFAULT_FILE
from headrace.errors import ConfigurationError
from headrace.settings import Settings

CHECKOUT = Path(__file__).parents[2]


def home() -> Path:
    """The folder with `worker/` and `api/`: the checkout, or in the image the current folder."""
    for folder in (CHECKOUT, Path.cwd()):
        if all((folder / package / "__init__.py").is_file() for package in ("api", "worker")):
            return folder
    raise ConfigurationError(
        "`api` and `worker` are not here: this command needs a checkout of headrace, or its image"
    )


def settled(settings: Settings) -> Settings:
    """The same settings with absolute paths. `headrace.toml` may lie in the current folder or at home."""
    here = DEFAULT_FILE if DEFAULT_FILE.is_file() else home() / DEFAULT_FILE
    config = settings.config or (here if here.is_file() else None)
    changed: dict[str, Any] = {"data_dir": settings.data_dir.resolve()}
    if config:
        changed["config"] = config.resolve()
    if settings.database_url:
        changed["database_url"] = _absolute(settings.database_url)
    return settings.model_copy(update=changed)


def variables(settings: Settings) -> dict[str, str]:
    """Our environment, with every setting that was given; one that was given as None is taken out."""
    environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
    for name in settings.model_fields_set:
        alias = Settings.model_fields[name].validation_alias
        variable = alias if isinstance(alias, str) else f"HEADRACE_{name.upper()}"
        value = getattr(settings, name)
        if value is None:
            environment.pop(variable, None)
        else:
            environment[variable] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return environment


def _absolute(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("HEADRACE_DATABASE_URL is no database URL") from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return url
    path = str(Path(parsed.database).resolve())
    return parsed.set(database=path).render_as_string(hide_password=False)
