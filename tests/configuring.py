"""Configurations to load."""

from pathlib import Path

from headrace.config import Config, load_config
from headrace.settings import Settings


def configured(text: str, tmp_path: Path) -> Config:
    """What a `headrace.toml` with this text comes to."""
    path = tmp_path / "given.toml"
    path.write_text(text)
    return load_config(Settings(config=path))
