"""Tokens of a call from its request's body, before anything is known of its answer: likely, and at most."""

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.exact_json import loads_rounded

BYTES_PER_TOKEN = 3.6
TOKENS_PER_MESSAGE = 4
TOKENS_PER_ATTACHMENT = 1_000
PROMPT_FIELDS = ("messages", "prompt", "input", "instructions", "tools", "functions")
CAP_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
ATTACHMENTS = ("image_url", "input_image", "input_audio", "file", "input_file")
MOST_TOKENS = 100_000_000  # more than any provider serves, and few enough for an integer column

# Upper bounds. No vocabulary has a token of less than a byte: a text's tokens are fewer than its bytes.
PREAMBLE_AT_MOST = 1_000  # what a provider puts before a prompt by itself, for tools above all
IMAGE_AT_MOST = 50_000  # the dearest of the known rules makes 48,169 of an image
FILE_AT_MOST = 500_000  # by URL or id; nobody takes in a file of more pages
UNSEEN_AT_MOST = 1_000_000  # a context window of what only the provider has
IMAGES = ("image_url", "input_image")
FILES = ("file", "input_file", "input_audio", "item_reference")
OWN_TOOLS = ("function", "custom")  # others, such as a web search, put into the prompt what they find
UNSEEN_FIELDS = ("previous_response_id", "conversation", "web_search_options")
CAPS_OF = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
}
EMBEDDINGS = "/v1/embeddings"


def prompt_estimate(body: Mapping[str, Any]) -> int:
    """Tokens of the prompt: UTF-8 bytes of its text / 3.6, a flat rate for each image, sound or file.

    Within 0.9 to 1.8 of the truth on any script, where characters / 4 is a third of it on Chinese.
    """
    total = sum(_tokens(body.get(field)) for field in PROMPT_FIELDS)
    messages = body.get("messages")
    total += TOKENS_PER_MESSAGE * (len(messages) if isinstance(messages, list) else 0)
    return min(max(1, round(total)), MOST_TOKENS)


def completion_cap(body: Mapping[str, Any]) -> int | None:
    """The most completion tokens that the body allows, over all of its `n` choices; None: it does not say."""
    choices = _count(body.get("n")) or 1
    caps = [cap * choices for field in CAP_FIELDS if (cap := _count(body.get(field)))]
    return min(caps[0], MOST_TOKENS) if caps else None


def tokens_at_most(endpoint: str, body: str, max_output_tokens: int) -> int:
    """More tokens than one call with this body (JSON) can be billed for, whatever its prompt is.

    `max_output_tokens` is the most that the model writes in one answer, for bodies that name no cap.
    """
    document = loads_rounded(body)
    prompt = len(body.encode()) + PREAMBLE_AT_MOST + sum(map(_attached, _objects(document)))
    prompt += UNSEEN_AT_MOST * _has_unseen(document)
    return min(prompt + _completion_at_most(endpoint, document, max_output_tokens), MOST_TOKENS)


def _completion_at_most(endpoint: str, body: Mapping[str, Any], max_output_tokens: int) -> int:
    if endpoint == EMBEDDINGS:
        return 0
    caps = [cap for field in CAPS_OF.get(endpoint, ()) if (cap := _count(body.get(field)))]
    prompts = body.get("prompt")
    texts = len(prompts) if isinstance(prompts, list) and not _is_tokens(prompts) else 1
    choices = max(_count(body.get("n")), _count(body.get("best_of")), 1)
    return (max(caps) if caps else max_output_tokens) * choices * texts


def _attached(part: Mapping[str, Any]) -> int:
    kind = part.get("type")
    if kind in IMAGES:
        return IMAGE_AT_MOST
    return FILE_AT_MOST if kind in FILES else 0


def _has_unseen(body: Mapping[str, Any]) -> bool:
    """Whether the provider adds to the prompt what the body does not hold."""
    tools = body.get("tools")
    kinds = (
        [tool.get("type") for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
    )
    stored = isinstance(body.get("prompt"), Mapping)
    return stored or any(body.get(name) for name in UNSEEN_FIELDS) or any(k not in OWN_TOOLS for k in kinds)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting += part.values()
        elif isinstance(part, list) and not _is_tokens(part):
            waiting += part


def _is_tokens(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], int)


def _tokens(part: Any) -> float:
    if isinstance(part, str):
        return len(part.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN
    if isinstance(part, Mapping):
        if part.get("type") in ATTACHMENTS:
            return TOKENS_PER_ATTACHMENT
        return sum(_tokens(value) for value in part.values())
    if isinstance(part, list):
        if part and all(isinstance(token, int) for token in part):
            return len(part)
        return sum(_tokens(value) for value in part)
    return 0


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
