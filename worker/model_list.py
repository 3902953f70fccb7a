"""The models that a provider says it serves, in whichever of the known shapes it says so."""

from typing import Any

import gevent
import orjson
import requests
from urllib3.exceptions import HTTPError

from headrace.bodies import is_name
from headrace.config import Provider
from headrace.provider_session import body_of, new_session
from headrace.store.provider_models import Served

SECONDS = 10.0
MOST_BYTES = 4 * 1024 * 1024
MOST_MODELS = 10_000
LATEST = 2**53  # what JSON readers take for a whole number


class NoList(Exception):
    """The provider answered, and not with a list of models."""


class NoAnswer(NoList):
    """The provider did not answer, or not in time: it may do so soon."""


def models_of(provider: Provider) -> list[Served]:
    """One request: GET {base_url}/models, in 10 s all in all. Raises NoList; its words have no secret."""
    limit = gevent.Timeout(SECONDS)
    limit.start()
    try:
        status, body = _asked(provider)
    except gevent.Timeout as expired:
        if expired is not limit:
            raise
        raise NoAnswer(f"no whole answer within {SECONDS:g} s") from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        # its words may have the key
        raise NoAnswer(f"no answer: {type(error).__name__}") from error
    finally:
        limit.close()
    if status >= 500:
        raise NoAnswer(f"status {status}")
    if status != requests.codes.ok:
        raise NoList(f"status {status}")
    return parsed(body)


def parsed(body: bytes) -> list[Served]:
    """The models of an answer; what has no usable name is left out. Raises NoList where there is no list.

    OpenAI, vLLM and llama.cpp give `{"data": [{"id", "created", "owned_by"}]}`. Ollama without a model gives
    `"data": null`, some providers neither `created` nor `owned_by`, and some the bare list.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NoList("an answer that is no JSON") from None
    named = {entry["id"]: entry for entry in reversed(_entries(document)) if _is_model(entry)}
    return sorted(_served(entry) for entry in list(named.values())[-MOST_MODELS:])


def _asked(provider: Provider) -> tuple[int, bytes]:
    with new_session(provider) as session:
        url = f"{provider.base_url}/models"
        with session.get(url, timeout=SECONDS, allow_redirects=False, stream=True) as response:
            body = body_of(response, MOST_BYTES)
            if body is None:
                raise NoList(f"an answer of more than {MOST_BYTES} bytes")
            return response.status_code, body


def _entries(document: Any) -> list[Any]:
    if isinstance(document, dict) and "data" in document:
        document = [] if document["data"] is None else document["data"]
    if not isinstance(document, list):
        raise NoList("an answer that is no list of models")
    return document


def _is_model(entry: Any) -> bool:
    return isinstance(entry, dict) and is_name(entry.get("id"))


def _served(entry: dict[str, Any]) -> Served:
    owner = entry.get("owned_by")
    return Served(entry["id"], _time(entry.get("created")), str(owner) if is_name(owner) else "")


def _time(value: Any) -> int:
    """Whole Unix seconds; 0 for whatever is none."""
    return int(value) if isinstance(value, int | float) and 0 < value < LATEST else 0
