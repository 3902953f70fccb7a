"""POST /v1/embeddings (contract 4.5)."""

import struct
from base64 import b64encode
from hashlib import shake_128
from math import sqrt
from typing import Any

from headrace.simulator.call import Body, Call, Usage, model_of, whole_number
from headrace.simulator.errors import ApiError, missing
from headrace.simulator.generation import Choice
from headrace.simulator.tokens import Counter, read_inputs

DEFAULT_DIMENSIONS = 8
MAX_DIMENSIONS = 4096
MAX_INPUTS = 2048


def read(body: Body, counter: Counter) -> Call:
    """The call that a body asks for. Raises ApiError."""
    model = model_of(body)
    if body.get("input") is None:
        raise missing("input")
    texts, tokens = read_inputs(body["input"], "input", counter)
    if len(texts) > MAX_INPUTS:
        raise ApiError(
            400,
            f"'input' holds more than {MAX_INPUTS} inputs.",
            param="input",
            code="invalid_value",
        )
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise ApiError(
            400,
            "'encoding_format' must be 'float' or 'base64'.",
            param="encoding_format",
            code="invalid_value",
        )
    whole_number(body, ("dimensions",), most=MAX_DIMENSIONS)
    return Call(model=model, body=body, text=texts[-1], prompt_tokens=tokens, answers=0)


def answer(call: Call, _choices: list[Choice], usage: Usage, _ident: str, _created: int) -> Body:
    """The answer's body: one vector of length 1 for each input, the same for the same text."""
    texts, _ = read_inputs(call.body["input"], "input", Counter())
    size = call.body.get("dimensions") or DEFAULT_DIMENSIONS
    encode = _base64 if call.body.get("encoding_format") == "base64" else list
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": encode(_vector(text, size)),
            }
            for index, text in enumerate(texts)
        ],
        "model": call.model,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "total_tokens": usage.total_tokens,
        },
    }


def _vector(text: str, size: int) -> list[float]:
    raw = [byte - 127.5 for byte in shake_128(text.encode()).digest(size)]
    length = sqrt(sum(value * value for value in raw))
    return [value / length for value in raw]


def _base64(vector: list[float]) -> Any:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
