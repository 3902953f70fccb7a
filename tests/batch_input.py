"""Inputs of batches, and their ingest, for the tests of workers."""

import json
from typing import Any

from headrace.config import Config, load_config
from headrace.files import path_of
from headrace.models import File
from headrace.settings import Settings
from tests.scene import Scene
from worker.ingest import Ingest
from worker.stopping import StopFlag

INPUT = "file-input"  # the scene's batches read it


def given(store: Scene, settings: Settings, *lines: Any, purpose: str = "batch") -> str:
    """A new batch of these lines: objects, or bytes as they are to lie in the file."""
    stored_input(store, settings, *lines, purpose=purpose)
    return store.new_batch()


def stored_input(store: Scene, settings: Settings, *lines: Any, purpose: str = "batch") -> str:
    """The file alone: its id."""
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    settings.files_dir.mkdir(exist_ok=True)
    path_of(settings.files_dir, INPUT).write_bytes(content)
    file = File(id=INPUT, api_key_id=store.key_id, purpose=purpose, filename="in.jsonl", bytes=len(content))
    with store.db.begin() as session:
        session.merge(file)
    return INPUT


def ingesting(store: Scene, settings: Settings, batch_id: str, config: Config | None = None) -> Ingest:
    """What the task makes."""
    return Ingest(batch_id, store.db, settings, config or load_config(settings), StopFlag())


def line(custom_id: Any = "a", *, body: dict[str, Any] | None = None, **change: Any) -> Any:
    """A good line, but for what is changed; `...` takes a field away."""
    body = {"model": "small-model", "messages": [{"role": "user", "content": "你好"}]} | (body or {})
    request = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return {name: value for name, value in (request | change).items() if value is not ...}


def many(count: int) -> list[dict[str, Any]]:
    """That many good lines, `line-1` and so on."""
    return [line(f"line-{number}") for number in range(1, count + 1)]
