"""Makes calls with the real `worker.call.Caller`: a line of JSON in for each, a line of JSON out.

Run under `python -m gevent.monkey`, since the process of the tests is not patched, and a worker's is.
"""

import json
import resource
import sys
import time
from typing import Any

from pydantic import SecretStr

from headrace.config import Provider, Quota, Route
from worker.call import Answer, Caller


def main() -> None:
    """Calls until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(call(**json.loads(line))), flush=True)


def call(
    *, base_url: str, key: str | None, model: str, body: str, timeout_seconds: float, max_answer_bytes: int
) -> dict[str, Any]:
    """What came of one call, with its duration and the growth of our peak memory in MiB."""
    provider = Provider(name="it", base_url=base_url, key=SecretStr(key) if key else None)
    route = Route(provider=provider, quota=Quota(name="it", provider="it"), model=model)
    caller = Caller(timeout_seconds=timeout_seconds, max_answer_bytes=max_answer_bytes)
    start, peak = time.monotonic(), _peak_mib()
    lane = json.loads(body)["model"]
    result = caller.call(route, "/v1/chat/completions", lane, body, "att_1")
    told = {"seconds": time.monotonic() - start, "grown_mib": _peak_mib() - peak}
    if isinstance(result, Answer):
        body = result.body.decode()
        return told | {"kind": "answer", "status": result.status, "body": body, **_headers(result)}
    return told | {"kind": type(result).__name__.lower(), **result._asdict()}


def _headers(answer: Answer) -> dict[str, Any]:
    return {"headers": {name.lower(): value for name, value in answer.headers.items()}}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)


if __name__ == "__main__":
    main()
