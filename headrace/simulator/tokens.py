"""A plausible and quick count of tokens: what matters is that identical requests count alike."""

import re

import orjson

from headrace.simulator.errors import wrong_type

TOKENS_PER_MESSAGE = 4
TOKENS_PER_ANSWER_START = 3
TOKENS_PER_IMAGE = 85
BYTES_PER_TOKEN = 4

_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def count_text(text: str) -> int:
    """One for a Chinese, Japanese or Korean character, and one for four bytes of anything else."""
    if text.isascii():
        return -(-len(text) // BYTES_PER_TOKEN)
    other = _CJK.sub("", text)
    return len(text) - len(other) - (-len(other.encode()) // BYTES_PER_TOKEN)


def has_cjk(text: str) -> bool:
    """Whether a Chinese, Japanese or Korean character is in it."""
    return not text.isascii() and _CJK.search(text) is not None


class Counter:
    """Counts what a request holds."""

    def text(self, text: str) -> int:
        """Tokens of a text."""
        return count_text(text)

    def json(self, value: object) -> int:
        """Tokens of something that a model sees as JSON, such as tools; 0 for nothing."""
        return -(-len(orjson.dumps(value)) // BYTES_PER_TOKEN) if value else 0


def read_content(content: object, param: str, counter: Counter) -> tuple[str, int]:
    """Text and tokens of a message's content: a string, null, or a list of parts. Raises ApiError."""
    if isinstance(content, str):
        return content, counter.text(content)
    if content is None:
        return "", 0
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise wrong_type(param, "a string or an array of objects")
    texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    images = sum(part.get("type") in ("image_url", "input_image") for part in content)
    return "\n".join(texts), sum(map(counter.text, texts)) + images * TOKENS_PER_IMAGE


def read_inputs(value: object, param: str, counter: Counter) -> tuple[list[str], int]:
    """Texts and tokens of a string, a token array, or an array of either. Raises ApiError."""
    if isinstance(value, str):
        return [value], counter.text(value)
    if not isinstance(value, list) or not value:
        raise wrong_type(param, "a string or a non-empty array")
    if all(isinstance(item, str) for item in value):
        return value, sum(map(counter.text, value))
    if all(_is_token(item) for item in value):
        return [_token_text(value)], len(value)
    if all(isinstance(item, list) and item and all(map(_is_token, item)) for item in value):
        return [_token_text(item) for item in value], sum(map(len, value))
    raise wrong_type(param, "strings, or arrays of integers")


def _is_token(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)


def _token_text(tokens: list[int]) -> str:
    return " ".join(map(str, tokens))
