"""The four endpoints that generate."""

from collections.abc import Callable
from typing import NamedTuple

from headrace.simulator import chat, completions, embeddings, responses
from headrace.simulator.call import Body, Call, Usage
from headrace.simulator.generation import Choice
from headrace.simulator.tokens import Counter


class Endpoint(NamedTuple):
    """How one endpoint's bodies are read, and its answers written."""

    read: Callable[[Body, Counter], Call]
    answer: Callable[[Call, list[Choice], Usage, str, int], Body]


ENDPOINTS = {
    "/v1/chat/completions": Endpoint(chat.read, chat.answer),
    "/v1/completions": Endpoint(completions.read, completions.answer),
    "/v1/embeddings": Endpoint(embeddings.read, embeddings.answer),
    "/v1/responses": Endpoint(responses.read, responses.answer),
}
