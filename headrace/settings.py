"""What the environment says: every setting of a process, read once at its start."""

from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """The environment, `HEADRACE_` before each name. The README lists them."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_ignore_empty=True, populate_by_name=True, extra="ignore"
    )

    database_url: str | None = None
    redis_url: str = "redis://127.0.0.1:6379/0"
    data_dir: Path = Path("headrace-data")
    config: Path | None = None

    provider_url: str | None = None
    provider_key: SecretStr | None = None
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    rpm: int | None = Field(default=None, gt=0)
    tpm: int | None = Field(default=None, gt=0)
    max_in_flight: int | None = Field(default=None, gt=0)

    call_timeout_seconds: float = Field(default=600.0, gt=0)
    max_attempts: int = Field(default=10, ge=1, le=100)
    max_answer_bytes: int = Field(default=64 * MEBIBYTE, gt=0)
    max_file_bytes: int = Field(default=200 * MEBIBYTE, gt=0)
    max_upload_bytes: int = Field(default=8192 * MEBIBYTE, gt=0)
    max_batch_lines: int = Field(default=50_000, gt=0)
    max_body_bytes: int = Field(default=16 * MEBIBYTE, gt=0)
    strict: bool = False
    grace_seconds: float = Field(default=60.0, ge=0)
    lease_seconds: float = Field(default=45.0, ge=2)
    min_free_bytes: int = Field(default=256 * MEBIBYTE, ge=0)
    log_level: str = "INFO"

    @cached_property
    def database(self) -> str:
        """The SQLAlchemy URL: the one given, else SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'headrace.db'}"

    @property
    def files_dir(self) -> Path:
        """Where uploaded and produced files lie."""
        return self.data_dir / "files"
