"""Fixture of tests about settings. A test file asks for it with `pytest_plugins = ["tests.nowhere"]`."""

from pathlib import Path

import pytest

from headrace.settings import Settings


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without a configuration, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [*(f"HEADRACE_{field.upper()}" for field in Settings.model_fields), "OPENAI_API_KEY"]:
        monkeypatch.delenv(name, raising=False)
