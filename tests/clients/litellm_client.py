"""A whole batch with LiteLLM's own functions, run by its interpreter; prints what came of it as JSON.

`litellm_client.py GOOD SLOW BAD`: three inputs; OPENAI_BASE_URL and OPENAI_API_KEY say where to.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import litellm

FINAL = ("completed", "failed", "expired", "cancelled")
WAY = {
    "custom_llm_provider": "openai",
    "api_base": os.environ["OPENAI_BASE_URL"],
    "api_key": os.environ["OPENAI_API_KEY"],
}
BATCH: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


def main() -> None:
    """Everything, one after the other; `async` has what the asynchronous functions saw."""
    good, slow, bad = map(Path, sys.argv[1:])
    done = finished(submitted(good))
    cancelled = submitted(slow)
    litellm.cancel_batch(batch_id=cancelled.id, **WAY)
    told = {
        "batch": dumped(done),
        "output": lines_of(done.output_file_id),
        "errors": lines_of(done.error_file_id),
        "invalid": dumped(finished(submitted(bad))),
        "cancelled": dumped(finished(cancelled)),
        "listed": [batch["id"] for batch in everything(litellm.list_batches, limit=2)],
        "files": [file["id"] for file in everything(litellm.file_list)],
        "file": dumped(litellm.file_retrieve(file_id=done.input_file_id, **WAY)),
        "deleted": dumped(litellm.file_delete(file_id=done.input_file_id, **WAY))["deleted"],
        "refusals": refusals(done.id),
        "async": asyncio.run(again(good.read_bytes())),
    }
    print(json.dumps(told))


def submitted(path: Path) -> Any:
    with path.open("rb") as opened:
        file: Any = litellm.create_file(file=opened, purpose="batch", **WAY)
    return litellm.create_batch(input_file_id=file.id, metadata=metadata(), **BATCH, **WAY)


def metadata() -> dict[str, str]:
    """A new one for each call: LiteLLM puts objects of its own into it, which cannot be sent again."""
    return {"client": "litellm"}


def finished(batch: Any) -> Any:
    while batch.status not in FINAL:
        time.sleep(0.2)
        batch = litellm.retrieve_batch(batch_id=batch.id, **WAY)
    return batch


def lines_of(file_id: str | None) -> list[Any]:
    if not file_id:
        return []
    return [json.loads(line) for line in litellm.file_content(file_id=file_id, **WAY).text.splitlines()]


def everything(listing: Callable[..., Any], **query: Any) -> list[dict[str, Any]]:
    """All pages."""
    return [dumped(item) for item in listing(**query, **WAY)]


def refusals(done: str) -> dict[str, Any]:
    """The status and the kind of what is raised for four things that cannot be."""
    stranger = WAY | {"api_key": "hr-wrong"}
    return {
        "unknown_batch": refusal(lambda: litellm.retrieve_batch(batch_id="batch_none", **WAY)),
        "unknown_file": refusal(lambda: litellm.file_content(file_id="file-none", **WAY)),
        "cancel_done": refusal(lambda: litellm.cancel_batch(batch_id=done, **WAY)),
        "wrong_key": refusal(lambda: litellm.list_batches(**stranger)),
    }


def refusal(call: Callable[[], object]) -> list[Any]:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked
        return [getattr(error, "status_code", None), type(error).__name__, str(error)]
    return [200, "", ""]


async def again(content: bytes) -> dict[str, Any]:
    file: Any = await litellm.acreate_file(file=("input.jsonl", content), purpose="batch", **WAY)
    batch: Any = await litellm.acreate_batch(input_file_id=file.id, metadata=metadata(), **BATCH, **WAY)
    while batch.status not in FINAL:
        await asyncio.sleep(0.2)
        batch = await litellm.aretrieve_batch(batch_id=batch.id, **WAY)
    output = await litellm.afile_content(file_id=batch.output_file_id, **WAY)
    return {
        "batch": dumped(batch),
        "output": [json.loads(line) for line in output.text.splitlines()],
        "listed": [found.id async for found in await litellm.alist_batches(limit=2, **WAY)],
        "files": [found.id async for found in await litellm.afile_list(**WAY)],
        "file": dumped(await litellm.afile_retrieve(file_id=file.id, **WAY)),
        "cancelled": await refused(litellm.acancel_batch(batch_id=batch.id, **WAY)),
        "deleted": dumped(await litellm.afile_delete(file_id=file.id, **WAY))["deleted"],
    }


async def refused(call: Awaitable[object]) -> int:
    try:
        await call
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked
        return int(getattr(error, "status_code", 0))
    return 200


def dumped(model: Any) -> dict[str, Any]:
    """What it understood."""
    found: dict[str, Any] = model.model_dump(mode="json")
    return found


if __name__ == "__main__":
    main()
