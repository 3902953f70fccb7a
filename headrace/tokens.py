"""Tokens of a call from its request's body, before anything is known of its answer: likely, and at most."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headrace.exact_json import dumps, loads_rounded
from headrace.text_tokens import text_tokens

TOKENS_PER_MESSAGE = 3  # besides its role's name
TOKENS_PER_ANSWER_START = 3
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
UNSEEN_FIELDS = {"previous_response_id", "conversation", "web_search_options"}
CAPS_OF = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
}
EMBEDDINGS = "/v1/embeddings"
CONTAINERS = (dict, list)


def prompt_estimate(body: Mapping[str, Any], count: Callable[[list[str]], float] = text_tokens) -> int:
    """Tokens of the prompt: those of its texts, a few for each message, a flat rate for each image or file.

    `count` is how texts are counted: by estimate, unless the caller can do better (`headrace.counting`). The
    estimate is within about 10 % of the truth on English, Chinese and code (`headrace.text_tokens`).
    """
    texts, tokens = _texts(body)
    messages = body.get("messages")
    if isinstance(messages, list):
        tokens += TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_ANSWER_START
    return min(max(1, round(count(texts) + tokens)), MOST_TOKENS)


def _texts(body: Mapping[str, Any]) -> tuple[list[str], int]:
    """All texts of the prompt, and the tokens of what in it is no text."""
    texts: list[str] = []
    tokens = 0
    waiting = [body[field] for field in PROMPT_FIELDS if field in body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            if "type" in part and part["type"] in ATTACHMENTS:
                tokens += TOKENS_PER_ATTACHMENT
            else:
                waiting += part.values()
        elif isinstance(part, list) and part:
            if isinstance(part[0], int) and _are_all_tokens(part):
                tokens += len(part)
            else:
                waiting += part
    return texts, tokens


def completion_cap(body: Mapping[str, Any]) -> int | None:
    """The most completion tokens that the body allows, over all of its `n` choices; None: it does not say."""
    for field in CAP_FIELDS:
        if cap := _count(body.get(field)):
            return min(cap * (_count(body.get("n")) or 1), MOST_TOKENS)
    return None


class Bound(NamedTuple):
    """More than a call is billed for: so many tokens, and so many answers of the most that a model writes.

    `prompt` is how many of the tokens the prompt can have, or 0 if that is not told apart.
    """

    tokens: int
    open_answers: int
    prompt: int = 0

    def at_most(self, max_output_tokens: int) -> int:
        """With the most that the model writes in one answer."""
        return min(self.tokens + self.open_answers * max_output_tokens, MOST_TOKENS)

    def parts(self, max_output_tokens: int) -> tuple[int, int]:
        """The same for the prompt and for the completions."""
        most = self.at_most(max_output_tokens)
        return (self.prompt, most - self.prompt) if self.prompt else (most, most)


def bound_of_text(endpoint: str, body: str) -> Bound:
    """The bound of a call with this body (JSON)."""
    document = loads_rounded(body)
    return bound_of(endpoint, document, dumps(document).encode())


def bound_of(endpoint: str, body: Mapping[str, Any], compact: bytes) -> Bound:
    """More tokens than one call with this body can be billed for, whatever its prompt is.

    `compact`: the body's JSON, no white space.
    """
    prompt = len(compact) + PREAMBLE_AT_MOST + UNSEEN_AT_MOST * _has_unseen(body)
    if b'"type":' in compact:  # most bodies need not be walked
        prompt += _attached(body)
    answers = _answers(endpoint, body)
    cap = max((_count(body.get(field)) for field in CAPS_OF.get(endpoint, ())), default=0)
    prompt = min(prompt, MOST_TOKENS)
    if cap:
        return Bound(min(prompt + cap * answers, MOST_TOKENS), 0, prompt)
    return Bound(prompt, min(answers, MOST_TOKENS), prompt)


def _answers(endpoint: str, body: Mapping[str, Any]) -> int:
    if endpoint == EMBEDDINGS:
        return 0
    prompts = body.get("prompt")
    texts = len(prompts) if isinstance(prompts, list) and not _begins_with_a_token(prompts) else 1
    return max(_count(body.get("n")), _count(body.get("best_of")), 1) * texts


def _attached(body: Mapping[str, Any]) -> int:
    """Of all images and files, wherever they are in the body."""
    tokens = 0
    waiting: list[Any] = [body]
    while waiting:
        part = waiting.pop()
        inside = part
        if isinstance(part, dict):
            kind, inside = part.get("type"), part.values()
            tokens += IMAGE_AT_MOST if kind in IMAGES else FILE_AT_MOST if kind in FILES else 0
        elif _begins_with_a_token(part):
            continue
        waiting += [child for child in inside if child and isinstance(child, CONTAINERS)]
    return tokens


def _has_unseen(body: Mapping[str, Any]) -> bool:
    """Whether the provider adds to the prompt what the body does not hold."""
    tools = body.get("tools")
    if isinstance(tools, list) and any(isinstance(t, dict) and t.get("type") not in OWN_TOOLS for t in tools):
        return True
    is_stored = isinstance(body.get("prompt"), dict)
    return is_stored or any(body[name] for name in UNSEEN_FIELDS & body.keys())


def _begins_with_a_token(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], int)


def _are_all_tokens(value: list[Any]) -> bool:
    return _begins_with_a_token(value) and all(isinstance(token, int) for token in value)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
