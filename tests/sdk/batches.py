"""Inputs of batches, and what comes out of them, through a client of the SDK."""

import json
import time
from typing import Any

DEADLINE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
FINAL = ("completed", "failed", "expired", "cancelled")
CHAT = "/v1/chat/completions"
MODEL = "small"
SLOW_MODEL = "slow"
PROMPTS: dict[str, Any] = {
    CHAT: {"messages": [{"role": "user", "content": "Why does the wheel turn? 为什么"}]},
    "/v1/completions": {"prompt": "The wheel turns because"},
    "/v1/embeddings": {"input": ["The wheel", "turns"]},
    "/v1/responses": {"input": "Why does the wheel turn?"},
}
REFUSED: dict[str, Any] = {"messages": [{"role": "user", "content": "[[sim:400]]"}]}


def line(custom_id: str, endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    """A good input line, but for what `body` says otherwise."""
    body = {"model": MODEL, **PROMPTS[endpoint], **body}
    return {"custom_id": custom_id, "method": "POST", "url": endpoint, "body": body}


def many(count: int, **body: Any) -> list[dict[str, Any]]:
    """That many lines, `line-1` and so on."""
    return [line(f"line-{number}", **body) for number in range(1, count + 1)]


def jsonl(lines: list[Any]) -> bytes:
    """An input file: objects, or bytes as they are."""
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in lines
    )


def submitted(sdk: Any, client: Any, lines: list[Any], endpoint: str = CHAT, **more: Any) -> Any:
    """A new batch of these lines; `more` goes to `batches.create`."""
    file = sdk.run(client.files.create(file=("input.jsonl", jsonl(lines)), purpose="batch"))
    wanted = {"input_file_id": file.id, "endpoint": endpoint, "completion_window": "24h", **more}
    return sdk.run(client.batches.create(**wanted))


def reached(sdk: Any, client: Any, batch_id: str, *statuses: str, completed: int = 0) -> Any:
    """The batch, once it has one of the statuses and so many completed requests."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        batch = sdk.run(client.batches.retrieve(batch_id))
        if batch.status in statuses and batch.request_counts.completed >= completed:
            return batch
        assert batch.status not in FINAL, f"it ended as {batch}"
        assert time.monotonic() < deadline, f"it is still {batch}"
        time.sleep(PAUSE_SECONDS)


def lines_of(sdk: Any, client: Any, file_id: str | None) -> dict[str, Any]:
    """A result file's lines by `custom_id`, each of which must come once."""
    if file_id is None:
        return {}
    lines = [json.loads(each) for each in sdk.run(client.files.content(file_id)).text.split("\n")[:-1]]
    by_id = {each["custom_id"]: each for each in lines}
    assert len(by_id) == len(lines)
    return by_id
