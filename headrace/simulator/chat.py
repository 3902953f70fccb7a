"""POST /v1/chat/completions (contract 4.1, 4.2)."""

from typing import Any

from headrace.simulator.call import Body, Call, Usage, model_of, service_tier, whole_number
from headrace.simulator.errors import ApiError, missing, wrong_type
from headrace.simulator.generation import Choice
from headrace.simulator.tokens import TOKENS_PER_ANSWER_START, TOKENS_PER_MESSAGE, Counter, read_content

MAX_CHOICES = 128


def read(body: Body, counter: Counter) -> Call:
    """The call that a body asks for. Raises ApiError."""
    model = model_of(body)
    text, tokens = _read_messages(body.get("messages"), counter)
    effort = body.get("reasoning_effort")
    return Call(
        model=model,
        body=body,
        text=text,
        prompt_tokens=tokens + counter.json(body.get("tools")),
        answers=whole_number(body, ("n",), most=MAX_CHOICES) or 1,
        max_tokens=whole_number(body, ("max_completion_tokens", "max_tokens")),
        effort=effort if isinstance(effort, str) else None,
        tier=service_tier(body),
        speaks=True,
    )


def answer(call: Call, choices: list[Choice], usage: Usage, ident: str, created: int) -> Body:
    """The answer's body. `ident` is hexadecimal, `created` in Unix seconds."""
    return {
        "id": f"chatcmpl-{ident}",
        "object": "chat.completion",
        "created": created,
        "model": call.model,
        "choices": [_choice(index, choice) for index, choice in enumerate(choices)],
        "usage": completion_usage(usage),
        "service_tier": call.tier,
        "system_fingerprint": "fp_simulator",
    }


def completion_usage(usage: Usage) -> dict[str, Any]:
    """Usage in the words of chat and legacy completions."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.prompt_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.completion_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _read_messages(messages: object, counter: Counter) -> tuple[str, int]:
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects")
    if not messages:
        raise ApiError(
            400,
            "Invalid 'messages': it is empty.",
            param="messages",
            code="empty_array",
        )
    said, total = "", TOKENS_PER_ANSWER_START
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise wrong_type(f"messages[{index}]", "an object")
        role = message.get("role")
        if not isinstance(role, str):
            raise missing(f"messages[{index}].role")
        text, tokens = read_content(message.get("content"), f"messages[{index}].content", counter)
        total += TOKENS_PER_MESSAGE + tokens + _extra_tokens(message, counter)
        if role == "user":
            said = text
    return said, total


def _extra_tokens(message: dict[str, Any], counter: Counter) -> int:
    if len(message) == 2:  # role and content: nearly all of them
        return 0
    name = message.get("name")
    return (counter.text(name) if isinstance(name, str) else 0) + counter.json(message.get("tool_calls"))


def _choice(index: int, choice: Choice) -> Body:
    content = None if choice.refusal else choice.text
    message: Body = {
        "role": "assistant",
        "content": content,
        "refusal": choice.refusal,
        "annotations": [],
    }
    return {
        "index": index,
        "message": message,
        "logprobs": None,
        "finish_reason": choice.finish,
    }
