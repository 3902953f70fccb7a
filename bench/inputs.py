"""Batch inputs: conversations of mixed sizes, the same ones on every run."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

ENDPOINT = "/v1/chat/completions"
MODEL = "bench"
SENTENCE = "The miller asks how far the gate may be opened today. "
MORE_SENTENCES = 0.5  # the chance of each further one: most questions are short, a few are long


def write_input(path: Path, jobs: int) -> None:
    """Batch lines (contract 3.1) with the custom ids of `custom_ids(jobs)`."""
    with path.open("wb") as out:
        for number, custom_id in enumerate(custom_ids(jobs)):
            line = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": _body(number)}
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def custom_ids(jobs: int) -> Iterator[str]:
    """One name for each job."""
    return (f"job-{number}" for number in range(jobs))


def bodies(path: Path) -> list[bytes]:
    """What the provider is to be sent, in the order of the lines."""
    with path.open("rb") as lines:
        return [orjson.dumps(orjson.loads(line)["body"]) for line in lines]


def _body(number: int) -> dict[str, Any]:
    chance, question = random.Random(number), f"Question {number}: {SENTENCE}"
    while chance.random() < MORE_SENTENCES:
        question += SENTENCE
    return {"model": MODEL, "messages": [{"role": "user", "content": question}]}
