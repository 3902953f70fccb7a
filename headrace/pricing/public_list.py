"""The public list of prices that the library genai-prices brings: nothing is fetched."""

import importlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from importlib import metadata
from ipaddress import ip_address
from re import match
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

PRIVATE = ("localhost", ".localhost", ".local", ".internal")
MOST_MODELS = 4096
VERSION = metadata.version("genai-prices")


class Entry(NamedTuple):
    """A model of the list. `is_own`: the provider's own, not one of whoever made the model."""

    provider: str
    model: "ModelInfo"
    is_own: bool


@lru_cache(MOST_MODELS)
def entry(base_url: str, model: str) -> Entry | None:
    """What the list has for a model at this URL; None if it does not know the URL or, there, the model."""
    provider = _provider(base_url)
    if provider is None:
        return None
    found = provider.find_model(model, all_providers=list(_providers()))
    if found is None:
        return None
    return Entry(provider.id, found, any(found is own for own in provider.models))


def prices_at(listed: Entry, at: datetime, context: dict[str, str] | None = None) -> dict[str, object]:
    """Amounts in force at a time, by the library's names of units. `context`: of a tier of service."""
    named = vars(listed.model.get_prices(at, context))
    return {key: price for key, price in named.items() if price is not None and not key.startswith("_")}


def is_public(base_url: str) -> bool:
    """Whether a list that everybody can read could know the host."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(PRIVATE)
    return False


@lru_cache(MOST_MODELS)
def _provider(base_url: str) -> "Provider | None":
    if not is_public(base_url):
        return None
    return next((each for each in _providers() if _is_at(each.api_pattern, base_url)), None)


def _is_at(pattern: str, base_url: str) -> bool:
    """The library's own test; but a pattern that ends within the host must not name another's subdomain."""
    found = match(pattern, base_url)
    if found is None:
        return False
    parts = urlsplit(base_url)
    rest = f"{parts.scheme}://{parts.netloc}"[found.end() :]
    return not rest or rest.startswith(":") or (found.group().endswith(".") and "." not in rest)


def _providers() -> "Sequence[Provider]":
    snapshot = _library().get_snapshot()
    providers: Sequence[Provider] = snapshot.providers
    return providers


@cache
def _library() -> ModuleType:
    # Imported for the first model that it may know: it takes 0.3 s and 70 MB.
    return importlib.import_module("genai_prices.data_snapshot")
