"""The LiteLLM proxy, as it comes, between a loop and the provider."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.baseline import without_proxies
from bench.inputs import MODEL
from bench.provider import HOST
from tests.servers import free_port

START_SECONDS = 90.0
LOOK_SECONDS = 0.2
STOP_SECONDS = 10.0
CONFIGURATION = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{base_url}", api_key: none}}
litellm_settings: {{num_retries: 0}}
"""
# Its standard input is a pipe from us: when that closes, whatever of the proxy still runs is ended.
GUARD = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'
LOCAL = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}


@contextmanager
def running_proxy(program: Path, folder: Path, base_url: str) -> Iterator[tuple[str, int]]:
    """The proxy's own base URL and its process id. Its files are in `folder`."""
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(CONFIGURATION.format(model=MODEL, base_url=base_url), encoding="utf-8")
    command = [
        str(program),
        f"--config={config}",
        f"--host={HOST}",
        f"--port={port}",
        "--num_workers=1",
    ]
    with (folder / "litellm.log").open("wb") as log:
        proxy = subprocess.Popen(
            [*command, "--telemetry=False"],
            cwd=folder,
            env=without_proxies() | LOCAL,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # whatever it starts is of its group
        )
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(proxy.pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        _wait_ready(f"http://{HOST}:{port}/health/liveliness", proxy)
        yield f"http://{HOST}:{port}/v1", proxy.pid
    finally:
        proxy.terminate()
        with suppress(subprocess.TimeoutExpired):
            proxy.wait(STOP_SECONDS)
        guard.communicate(timeout=STOP_SECONDS)
        proxy.wait(STOP_SECONDS)


def _wait_ready(url: str, proxy: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while proxy.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(url, timeout=START_SECONDS).close()
        except (URLError, ConnectionError):
            time.sleep(LOOK_SECONDS)
        else:
            return
    raise RuntimeError("the LiteLLM proxy did not start")
