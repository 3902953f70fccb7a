"""POST /v1/completions, the legacy one (contract 4.4)."""

from headrace.simulator.call import Body, Call, Usage, model_of, whole_number
from headrace.simulator.chat import MAX_CHOICES, completion_usage
from headrace.simulator.errors import missing
from headrace.simulator.generation import Choice
from headrace.simulator.tokens import Counter, read_inputs

DEFAULT_MAX_TOKENS = 16


def read(body: Body, counter: Counter) -> Call:
    """The call that a body asks for. Raises ApiError."""
    model = model_of(body)
    if body.get("prompt") is None:
        raise missing("prompt")
    prompts, tokens = read_inputs(body["prompt"], "prompt", counter)
    return Call(
        model=model,
        body=body,
        text=prompts[-1],
        prompt_tokens=tokens,
        answers=len(prompts) * (whole_number(body, ("n",), most=MAX_CHOICES) or 1),
        max_tokens=whole_number(body, ("max_tokens",)) or DEFAULT_MAX_TOKENS,
    )


def answer(call: Call, choices: list[Choice], usage: Usage, ident: str, created: int) -> Body:
    """The answer's body: `n` choices for each prompt, in the order of the prompts."""
    return {
        "id": f"cmpl-{ident}",
        "object": "text_completion",
        "created": created,
        "model": call.model,
        "choices": [
            {
                "index": index,
                "text": choice.refusal or choice.text,
                "logprobs": None,
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": completion_usage(usage),
    }
