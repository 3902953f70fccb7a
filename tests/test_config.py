"""Settings and configuration: what is given is taken, what is wrong is named."""

import pytest
from pydantic import ValidationError

from headrace.config import OPENAI_BASE_URL, load_config
from headrace.errors import ConfigurationError
from headrace.settings import Settings
from tests.configuring import configured

pytest_plugins = ["tests.nowhere"]

TWO_PROVIDERS = """
[providers.openai]
key_env = "SOME_KEY"

[providers.local]
base_url = "http://127.0.0.1:8000/v1/"
key = "local-secret"

[quotas.small]
provider = "openai"
rpm = 500
tpm = 200_000
rpd = 10_000

[quotas.gpu]
provider = "local"
max_in_flight = 64

[models.small-model]
quota = "small"

[models."fast/one"]
quota = "gpu"
provider_model = "fast-one-awq"
"""


ALL_WRONG = """
rpm = 600
prices.x.a = 1
bills.x.a = 1

[providers.p]
name = "q"
base_url = "https://h"

[providers.r]
key = "sk of two"

[providers.s]
key_env = "UNSET_KEY"

[quotas.q]
provider = "p"
rpm = 0
tpm = "x"

[quotas.r]
provider = "x"

[models.m]
quota = "y"

[models.n]
quota = "q"
size = 5
"""


def test_without_any_setting_every_model_goes_to_openai(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")

    route = load_config(Settings()).route("any model at all")

    assert route is not None
    assert (route.provider.base_url, route.model) == (OPENAI_BASE_URL, "any model at all")
    assert route.provider.secret() == "sk-openai"
    assert (route.quota.rpm, route.quota.tpm, route.quota.max_in_flight) == (None, None, None)


def test_the_environment_names_one_provider_and_its_limits(monkeypatch):
    for name, value in {
        "PROVIDER_URL": "https://api.example.com/v1/",
        "PROVIDER_KEY": "sk-mine",
        "RPM": "600",
        "TPM": "60000",
        "MAX_IN_FLIGHT": "8",
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)

    route = load_config(Settings()).route("m")

    assert route is not None
    assert (route.provider.base_url, route.provider.secret()) == ("https://api.example.com/v1", "sk-mine")
    assert (route.quota.rpm, route.quota.tpm, route.quota.max_in_flight) == (600, 60_000, 8)


def test_the_openai_key_goes_to_openai_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("HEADRACE_PROVIDER_URL", "https://api.example.com/v1")

    route = load_config(Settings()).route("m")

    assert route is not None
    assert route.provider.secret() is None


def test_our_own_key_goes_before_the_openai_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", "sk-mine")

    route = load_config(Settings()).route("m")

    assert route is not None
    assert route.provider.secret() == "sk-mine"


def test_an_empty_variable_counts_as_absent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    for name in ("RPM", "PROVIDER_KEY", "PROVIDER_URL", "DATABASE_URL", "CONFIG"):
        monkeypatch.setenv(f"HEADRACE_{name}", "")

    settings = Settings()

    route = load_config(settings).route("m")
    assert route is not None
    assert route.provider.secret() == "sk-openai"
    assert settings.rpm is None
    assert settings.database.endswith("headrace-data/headrace.db")


@pytest.mark.parametrize(
    ("name", "value"),
    [("RPM", "0"), ("RPM", "many"), ("TPM", "-1"), ("MAX_ATTEMPTS", "0"), ("CALL_TIMEOUT_SECONDS", "0")],
)
def test_a_setting_that_makes_no_sense_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"HEADRACE_{name}", value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    "url", ["api.example.com/v1", "https://api.example.com", "ftp://host/v1", "https://h/v2"]
)
def test_a_provider_url_that_cannot_be_is_named(url):
    with pytest.raises(ConfigurationError, match=r"HEADRACE_PROVIDER_URL.*ends in /v1"):
        load_config(Settings(provider_url=url))


def test_a_file_names_providers_quotas_and_models(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-some")

    config = configured(TWO_PROVIDERS, tmp_path)

    small, fast = config.route("small-model"), config.route("fast/one")
    assert small is not None
    assert (small.provider.base_url, small.provider.secret()) == (OPENAI_BASE_URL, "sk-some")
    assert (small.quota.name, small.quota.rpm, small.quota.rpd, small.model) == (
        "small",
        500,
        10_000,
        "small-model",
    )
    assert fast is not None
    assert (fast.provider.base_url, fast.provider.secret()) == ("http://127.0.0.1:8000/v1", "local-secret")
    assert (fast.quota.max_in_flight, fast.model) == (64, "fast-one-awq")
    assert config.route("unknown-model") is None


def test_one_quota_without_models_serves_every_model(tmp_path):
    config = configured('[providers.p]\n[quotas.q]\nprovider = "p"\nrpm = 1', tmp_path)

    route = config.route("whatever")
    assert route is not None
    assert (route.quota.name, route.model) == ("q", "whatever")


def test_the_file_in_the_working_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "headrace.toml").write_text(TWO_PROVIDERS)
    monkeypatch.setenv("SOME_KEY", "sk-some")

    assert load_config(Settings()).route("fast/one") is not None


def test_the_file_goes_before_the_environment(tmp_path):
    path = tmp_path / "given.toml"
    path.write_text('[providers.p]\n[quotas.q]\nprovider = "p"\nrpm = 7')

    route = load_config(Settings(config=path, rpm=600)).route("m")

    assert route is not None
    assert route.quota.rpm == 7


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[providers.p", "table declaration"),
        ("", "providers: Field required"),
        ("rpm = 600", "'rpm' must be a table of tables"),
        ("[quotas]\nrpm = 600", "'quotas' must be a table of tables"),
        ('[providers.p]\n[quotas.q]\nprovider = "x"', "there is no provider 'x'"),
        ('[providers.p]\n[quotas.q]\nprovider = "p"\n[models.m]\nquota = "x"', "there is no quota 'x'"),
        ('[providers.p]\n[quotas.a]\nprovider = "p"\n[quotas.b]\nprovider = "p"', "exactly one quota"),
        ("[providers.p]\n[quotas.q]\nprovider = 'p'\nrpm = 0", "quotas.q.rpm"),
        ("[providers.p]\n[quotas.q]\nprovider = 'p'\nrpn = 5", "quotas.q.rpn"),
        ("[providers.p]\nbase_url = 'https://h'\n[quotas.q]\nprovider = 'p'", "providers.p.base_url"),
        ("[providers.p]\n[quotas.q]\nprovider = 'p'\n[prices.x]\na = 1", "prices"),
        ("[providers.p]\nname = 'q'\n[quotas.q]\nprovider = 'p'", r"\[providers.name\]"),
    ],
)
def test_a_fault_is_told_with_the_file_and_its_place(text, fault, tmp_path):
    with pytest.raises(ConfigurationError, match=rf"given\.toml: .*{fault}"):
        configured(text, tmp_path)


def test_every_fault_is_told_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        configured(ALL_WRONG, tmp_path)

    for fault in (
        "'rpm' must be a table of tables",
        "bills: there is no such table",
        "prices.x.a: Extra inputs",
        "[providers.name]",
        "providers.p.base_url",
        "providers.r.key is no key",
        "UNSET_KEY is not set",
        "quotas.q.rpm",
        "quotas.q.tpm",
        "quotas.r: there is no provider 'x'",
        "models.m: there is no quota 'y'",
        "models.n.size",
    ):
        assert fault in str(refused.value)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_config(Settings(config=tmp_path / "absent.toml"))

    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"binary\.toml"):
        load_config(Settings(config=tmp_path / "binary.toml"))


def test_the_database_is_a_file_in_the_data_folder_unless_named(tmp_path):
    assert Settings(data_dir=tmp_path).database == f"sqlite:///{tmp_path / 'headrace.db'}"
    assert Settings(data_dir=tmp_path).files_dir == tmp_path / "files"
    assert Settings(database_url="postgresql://h/d").database == "postgresql://h/d"
