"""Providers, quotas and models: from `headrace.toml`, or from the environment when there is none."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from headrace.errors import ConfigurationError
from headrace.settings import Settings

OPENAI_BASE_URL = "https://api.openai.com/v1"
DEFAULT_FILE = Path("headrace.toml")
MOST_OUTPUT_TOKENS = 131_072  # of one answer, where neither the model's table nor a request says


def _base_url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not value.rstrip("/").endswith("/v1"):
        raise ValueError("a provider URL starts with http:// or https:// and ends in /v1")
    return value.rstrip("/")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Provider(_Section):
    """A base URL and a key. Only the operator names one, never a request."""

    name: str
    base_url: Annotated[str, AfterValidator(_base_url)] = OPENAI_BASE_URL
    key: SecretStr | None = None
    key_env: str | None = None

    def secret(self) -> str | None:
        """The key itself, from the file or from the environment variable that `key_env` names."""
        if self.key_env:
            return os.environ.get(self.key_env)
        return self.key.get_secret_value() if self.key else None


class Quota(_Section):
    """One allowance that a provider counts; None is no limit. Days are 24 rolling hours."""

    name: str
    provider: str
    rpm: int | None = Field(default=None, gt=0)
    tpm: int | None = Field(default=None, gt=0)
    rpd: int | None = Field(default=None, gt=0)
    tpd: int | None = Field(default=None, gt=0)
    max_in_flight: int | None = Field(default=None, gt=0)


class Model(_Section):
    """What a client asks for: the quota it counts against, its name at the provider, its longest answer."""

    name: str
    quota: str
    provider_model: str | None = None
    max_output_tokens: int = Field(default=MOST_OUTPUT_TOKENS, gt=0)


class Route(_Section):
    """Where a job of one model goes."""

    provider: Provider
    quota: Quota
    model: str
    max_output_tokens: int = MOST_OUTPUT_TOKENS


class Config(_Section):
    """All that the operator configured. With no `models`, any model name goes to the only quota."""

    providers: dict[str, Provider]
    quotas: dict[str, Quota]
    models: dict[str, Model] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist(self) -> "Config":
        for quota in self.quotas.values():
            if quota.provider not in self.providers:
                raise ValueError(f"quotas.{quota.name}: there is no provider '{quota.provider}'")
        for model in self.models.values():
            if model.quota not in self.quotas:
                raise ValueError(f"models.{model.name}: there is no quota '{model.quota}'")
        if not self.models and len(self.quotas) != 1:
            raise ValueError("without [models], give exactly one quota: it serves every model name")
        return self

    def route(self, model: str) -> Route | None:
        """Where jobs for `model` go; None when the configuration does not know it."""
        known = self.models.get(model)
        if self.models and known is None:
            return None
        quota = self.quotas[known.quota] if known else next(iter(self.quotas.values()))
        name = known.provider_model if known and known.provider_model else model
        most = known.max_output_tokens if known else MOST_OUTPUT_TOKENS
        return Route(provider=self.providers[quota.provider], quota=quota, model=name, max_output_tokens=most)


def load_config(settings: Settings) -> Config:
    """The configuration in force. Raises ConfigurationError, naming the file and every fault in it."""
    path = settings.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path is None:
        return _parsed(_from_environment(settings), "the environment (HEADRACE_PROVIDER_URL)")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return _parsed(_named(document, str(path)), str(path))


def _from_environment(settings: Settings) -> dict[str, Any]:
    """One provider and one quota for every model. The OpenAI key goes to OpenAI alone."""
    key = settings.provider_key
    if key is None and settings.provider_url is None:
        key = settings.openai_api_key
    provider = {
        "name": "default",
        "base_url": settings.provider_url or OPENAI_BASE_URL,
        "key": key,
    }
    limits = {
        "rpm": settings.rpm,
        "tpm": settings.tpm,
        "max_in_flight": settings.max_in_flight,
    }
    quota = {"name": "default", "provider": "default", **limits}
    return {"providers": {"default": provider}, "quotas": {"default": quota}}


def _named(document: dict[str, Any], source: str) -> dict[str, Any]:
    """Each table's key becomes its `name`."""
    named: dict[str, Any] = {}
    for kind, tables in document.items():
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise ConfigurationError(f"{source}: '{kind}' must be a table of tables, such as [{kind}.name]")
        if any("name" in table for table in tables.values()):
            raise ConfigurationError(f"{source}: a name is given in the brackets: [{kind}.name]")
        named[kind] = {name: {"name": name, **table} for name, table in tables.items()}
    return named


def _parsed(document: dict[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError(f"{source}: {faults}") from error
