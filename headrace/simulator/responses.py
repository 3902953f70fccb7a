"""POST /v1/responses (contract 4.6)."""

from typing import Any

from headrace.simulator.call import Body, Call, Usage, model_of, service_tier, whole_number
from headrace.simulator.errors import missing, wrong_type
from headrace.simulator.generation import Choice
from headrace.simulator.tokens import TOKENS_PER_ANSWER_START, TOKENS_PER_MESSAGE, Counter, read_content


def read(body: Body, counter: Counter) -> Call:
    """The call that a body asks for. Raises ApiError."""
    model = model_of(body)
    if body.get("input") is None:
        raise missing("input")
    text, tokens = _read_input(body["input"], counter)
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        tokens += TOKENS_PER_MESSAGE + counter.text(instructions)
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return Call(
        model=model,
        body=body,
        text=text,
        prompt_tokens=tokens + counter.json(body.get("tools")),
        max_tokens=whole_number(body, ("max_output_tokens",)),
        effort=effort if isinstance(effort, str) else None,
        tier=service_tier(body),
    )


def answer(call: Call, choices: list[Choice], usage: Usage, ident: str, created: int) -> Body:
    """The answer's body; `incomplete` when the text was cut by a cap or a filter."""
    choice = choices[0]
    cause = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(choice.finish)
    output = [_message(choice, ident, "incomplete" if cause else "completed")]
    if choice.reasoning_tokens:
        output.insert(0, {"id": f"rs_{ident}", "type": "reasoning", "summary": []})
    return {
        "id": f"resp_{ident}",
        "object": "response",
        "created_at": created,
        "completed_at": None if cause else created,
        "status": "incomplete" if cause else "completed",
        "error": None,
        "incomplete_details": {"reason": cause} if cause else None,
        "model": call.model,
        "output": output,
        "usage": _usage(usage),
        "service_tier": call.tier,
        **_echo(call.body),
    }


def _read_input(value: object, counter: Counter) -> tuple[str, int]:
    if isinstance(value, str):
        return value, TOKENS_PER_ANSWER_START + TOKENS_PER_MESSAGE + counter.text(value)
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise wrong_type("input", "a string or a non-empty array of objects")
    said, total = "", TOKENS_PER_ANSWER_START
    for index, item in enumerate(value):
        text, tokens = read_content(item.get("content"), f"input[{index}].content", counter)
        total += TOKENS_PER_MESSAGE + tokens
        if item.get("role") == "user":
            said = text
    return said, total


def _message(choice: Choice, ident: str, status: str) -> dict[str, Any]:
    if choice.refusal:
        part: dict[str, Any] = {"type": "refusal", "refusal": choice.refusal}
    else:
        part = {
            "type": "output_text",
            "text": choice.text,
            "annotations": [],
            "logprobs": [],
        }
    return {
        "id": f"msg_{ident}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part],
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def _echo(body: Body) -> dict[str, Any]:
    defaults: Body = {
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
    }
    return {name: body.get(name, default) for name, default in defaults.items()}
