"""The OpenAPI document is true: schemathesis finds no answer that it does not announce, and no 5xx."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
SECONDS = 400
# HEADRACE_EXAMPLES=2000 is a long run.
EXAMPLES = os.environ.get("HEADRACE_EXAMPLES", "12")
# What does not depend on the database is shown on one.
PHASES = {"sqlite": "examples,coverage,fuzzing,stateful", "postgresql": "fuzzing,stateful"}


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 20)
def test_schemathesis_finds_nothing_that_the_document_does_not_say(api, store, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    phases = PHASES[store.db.engine.dialect.name]
    options = ["--phases", phases, "--max-examples", EXAMPLES, "--seed", "1", "--no-color"]

    ran = subprocess.run(
        [*command, "run", f"{api.url}/openapi.json", *options],
        cwd=tmp_path,
        env={**os.environ, "HEADRACE_KEY": api.secret, "HEADRACE_ADMIN_KEY": api.new_key(is_admin=True)[1]},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    paths = api.call("GET", "/openapi.json").json()["paths"]
    assert f"Tested: {sum(map(len, paths.values()))}\n" in ran.stdout
