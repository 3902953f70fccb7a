"""The calls of an input through bespokelabs-curator.

A program of its own, for the interpreter that has curator and nothing of ours. It prints what the calls took
as one line of JSON, like `bench.bare`. Arguments: the base URL, the input, the calls in flight.
"""

import json
import os
import sys
import time
from pathlib import Path

import litellm
from bespokelabs import curator

NO_LIMIT = 1_000_000_000  # a minute
TOKENIZERS = Path(litellm.__file__).parent / "litellm_core_utils/tokenizers"


def main(base_url: str, source: Path, in_flight: int) -> None:
    """`base_url` ends in /v1. The CPU time is that of the calls alone: the input is read before."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(TOKENIZERS)  # else it is fetched
    with source.open("rb") as lines:
        asked = [json.loads(line)["body"] for line in lines]
    limits = {"max_requests_per_minute": NO_LIMIT, "max_tokens_per_minute": NO_LIMIT}
    llm = curator.LLM(
        model_name=asked[0]["model"],
        backend="openai",
        backend_params={"base_url": base_url, "max_concurrent_requests": in_flight, **limits},
    )
    began, cpu_began = time.time(), time.process_time()
    answers = llm([body["messages"] for body in asked])
    spent = {"began": began, "ended": time.time(), "cpu_seconds": time.process_time() - cpu_began}
    print()
    print(json.dumps({"calls": len(answers.dataset), **spent}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
