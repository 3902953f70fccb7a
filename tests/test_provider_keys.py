"""Keys of providers: taken bare, refused when they cannot go into a header, and never shown."""

import json

import pytest
from pydantic import SecretStr

from headrace.config import load_config
from headrace.errors import ConfigurationError
from headrace.settings import Settings
from tests.configuring import configured

pytest_plugins = ["tests.nowhere"]

FROM_A_VARIABLE = """
[providers.openai]
key_env = "SOME_KEY"

[quotas.small]
provider = "openai"
"""
ONE_PROVIDER = """
[quotas.q]
provider = "p"

[providers.p]
"""


@pytest.mark.parametrize("value", [None, ""])
def test_a_key_whose_variable_is_not_set_is_a_fault(tmp_path, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)

    with pytest.raises(
        ConfigurationError, match=r"given\.toml: SOME_KEY is not set.*providers\.openai\.key_env"
    ):
        configured(FROM_A_VARIABLE, tmp_path)


def test_a_provider_without_a_key_needs_none(tmp_path):
    route = configured(ONE_PROVIDER, tmp_path).route("m")

    assert route is not None
    assert route.provider.secret() is None


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "  {}\t", "\n{}"])
def test_what_is_around_a_key_is_no_part_of_it(tmp_path, monkeypatch, around):
    monkeypatch.setenv("SOME_KEY", around.format("sk-some"))
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", around.format("sk-mine"))

    routes = [load_config(Settings()).route("m"), configured(FROM_A_VARIABLE, tmp_path).route("small-model")]

    assert [route.provider.secret() for route in routes if route] == ["sk-mine", "sk-some"]


@pytest.mark.parametrize(
    "key", ["sk-of two", "sk-of\r\ntwo", "sk-\x07", "sk-\x7f", "sk-ключ", "sk-…", " \n", "sk-\u2028x"]
)
def test_what_cannot_be_a_key_is_named_by_its_variable_and_not_shown(tmp_path, monkeypatch, key):
    monkeypatch.setenv("SOME_KEY", key)
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", key)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    given = [
        ("HEADRACE_PROVIDER_KEY", lambda: load_config(Settings())),
        ("OPENAI_API_KEY", lambda: load_config(Settings(provider_key=None))),
        ("SOME_KEY", lambda: configured(FROM_A_VARIABLE, tmp_path)),
        (r"providers\.p\.key", lambda: configured(ONE_PROVIDER + f"key = {json.dumps(key)}", tmp_path)),
    ]

    for name, load in given:
        with pytest.raises(ConfigurationError, match=rf"{name} is") as refused:
            load()
        assert "sk-" not in str(refused.value)


def test_a_key_is_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    settings = Settings(provider_key=SecretStr("sk-mine"))
    shown = [repr(settings), str(settings), repr(load_config(settings))]
    with pytest.raises(ConfigurationError) as refused:
        configured(FROM_A_VARIABLE + "rpm = 600\nkey = 'local-secret'", tmp_path)

    monkeypatch.setenv("SOME_KEY", "sk-some")
    for text in (*shown, str(refused.value), repr(configured(FROM_A_VARIABLE, tmp_path))):
        assert "sk-" not in text
        assert "local-secret" not in text
