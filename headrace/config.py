"""Providers, quotas, models and prices: from `headrace.toml`, or from the environment when there is none."""

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from headrace.errors import ConfigurationError
from headrace.price_tables import PriceTable, price_faults
from headrace.provider_keys import bare, key_fault
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
        return bare(self._given()) or None

    def key_fault(self, source: str | None = None) -> str | None:
        """What is wrong with the key, if anything; `source` is where it comes from, unless from a file."""
        source = source or self.key_env or f"providers.{self.name}.key"
        if self.key_env is not None and not self._given():
            return f"{source} is not set: providers.{self.name}.key_env names it"
        fault = key_fault(self._given())
        return f"{source} {fault}" if fault else None

    def _given(self) -> str:
        if self.key_env is not None:
            return os.environ.get(self.key_env, "")
        return self.key.get_secret_value() if self.key else ""


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


KINDS: dict[str, type[BaseModel]] = {
    "providers": Provider,
    "quotas": Quota,
    "models": Model,
    "prices": PriceTable,
}


class Config(_Section):
    """All that the operator configured. With no `models`, any model name goes to the only quota."""

    providers: dict[str, Provider]
    quotas: dict[str, Quota]
    models: dict[str, Model] = Field(default_factory=dict)
    prices: dict[str, PriceTable] = Field(default_factory=dict)

    def route(self, model: str) -> Route | None:
        """Where jobs for `model` go; None when the configuration does not know it."""
        known = self.models.get(model)
        if self.models and known is None:
            return None
        quota = self.quotas[known.quota] if known else next(iter(self.quotas.values()))
        name = known.provider_model if known and known.provider_model else model
        most = known.max_output_tokens if known else MOST_OUTPUT_TOKENS
        return Route(provider=self.providers[quota.provider], quota=quota, model=name, max_output_tokens=most)


def load_config(settings: Settings, *, with_keys: bool = True) -> Config:
    """The configuration in force. Raises ConfigurationError, naming the file and every fault in it.

    `with_keys`: calls will be made, so that a key which is missing or malformed is a fault too.
    """
    path = settings.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path is None:
        key_source = "OPENAI_API_KEY" if settings.provider_key is None else "HEADRACE_PROVIDER_KEY"
        source = "the environment (HEADRACE_PROVIDER_URL)"
        return _checked(_from_environment(settings), source, key_source, with_keys=with_keys)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return _checked(document, str(path), with_keys=with_keys)


def _from_environment(settings: Settings) -> dict[str, Any]:
    """One provider and one quota for every model. The OpenAI key goes to OpenAI alone."""
    key = settings.provider_key
    if key is None and settings.provider_url is None:
        key = settings.openai_api_key
    provider = {
        "base_url": settings.provider_url or OPENAI_BASE_URL,
        "key": key,
    }
    limits = {
        "rpm": settings.rpm,
        "tpm": settings.tpm,
        "max_in_flight": settings.max_in_flight,
    }
    quota = {"provider": "default", **limits}
    return {"providers": {"default": provider}, "quotas": {"default": quota}}


def _checked(
    document: dict[str, Any], source: str, key_source: str | None = None, *, with_keys: bool
) -> Config:
    """The configuration. Raises ConfigurationError, naming every fault."""
    tables = {kind: value for kind, value in document.items() if _holds_tables(value)}
    faults = [
        f"'{kind}' must be a table of tables, such as [{kind}.name]"
        for kind in document
        if kind not in tables
    ]
    faults += [f"{kind}: there is no such table" for kind in tables if kind not in KINDS]
    faults += [f"{kind}: Field required" for kind in ("providers", "quotas") if kind not in document]
    config = Config.model_validate({kind: _sections(kind, tables.get(kind, {}), faults) for kind in KINDS})
    faults += _dangling(config, tables)
    if with_keys:
        faults += filter(None, (provider.key_fault(key_source) for provider in config.providers.values()))
    if faults:
        raise ConfigurationError(f"{source}: {'; '.join(faults)}")
    return config


def _holds_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(table, dict) for table in value.values())


def _sections(kind: str, tables: dict[str, Any], faults: list[str]) -> dict[str, BaseModel]:
    """Those of the tables that are right; each table's key becomes its `name`."""
    right = {}
    for name, table in tables.items():
        if "name" in table:
            faults.append(f"a name is given in the brackets: [{kind}.name]")
        try:
            right[name] = KINDS[kind].model_validate({**table, "name": name})
        except ValidationError as error:
            told = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
            faults += [f"{'.'.join(filter(None, (kind, name, place)))}: {message}" for place, message in told]
    return right


def _dangling(config: Config, tables: dict[str, Any]) -> list[str]:
    """Names that nothing has, as far as the tables are right."""
    faults = [
        f"quotas.{quota.name}: there is no provider '{quota.provider}'"
        for quota in config.quotas.values()
        if quota.provider not in tables.get("providers", {})
    ]
    faults += [
        f"models.{model.name}: there is no quota '{model.quota}'"
        for model in config.models.values()
        if model.quota not in tables.get("quotas", {})
    ]
    faults += price_faults(config.prices.values(), tables.get("models", {}))
    if "quotas" in tables and not tables.get("models") and len(tables["quotas"]) != 1:
        faults.append("without [models], give exactly one quota: it serves every model name")
    return faults
