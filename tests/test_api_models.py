"""The models that can be asked for: those of the configuration, or those that the provider says it serves."""

import openai
import pytest
import requests

from headrace.store import provider_models
from headrace.store.provider_models import Served
from tests.api_server import refusal, running_api
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

TOLD = [Served("meta-llama/Llama-3", 1_700_000_000, "Meta"), Served("phi4:14b", 0, "")]
TOML = """
[providers.near]
base_url = "http://127.0.0.1:1/v1"
[providers.far]
base_url = "http://127.0.0.1:2/v1"

[quotas.near]
provider = "near"
[quotas.far]
provider = "far"

[models."org/large"]
quota = "near"
provider_model = "meta-llama/Llama-3"

[models."phi4:14b"]
quota = "far"

[models.small]
quota = "near"
"""


def tell(store, provider, told=TOLD):
    with store.db.begin() as session:
        provider_models.replace(session, provider, told)


def shown(models):
    return [(model.id, model.object, model.created, model.owned_by) for model in models]


def ask_for(api, model):
    return api.call("POST", "/v1/jobs", json={"model": model, "messages": [{"role": "user"}]})


def test_the_models_of_the_only_provider_are_as_it_says(api, store):
    tell(store, "default")
    tell(store, "another", [Served("not-ours", 1, "x")])

    listed = api.sdk().models.list()

    assert shown(listed) == [
        ("meta-llama/Llama-3", "model", 1_700_000_000, "Meta"),
        ("phi4:14b", "model", 0, "default"),
    ]
    assert [api.sdk().models.retrieve(model.id) for model in listed] == listed.data
    with pytest.raises(openai.NotFoundError) as caught:
        api.sdk().models.retrieve("not-ours")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("path", ["meta-llama/Llama-3", "meta-llama%2FLlama-3", "meta-llama%2fLlama%2D3"])
def test_a_name_with_a_slash_is_found_encoded_or_not(api, store, path):
    tell(store, "default")

    assert api.call("GET", f"/v1/models/{path}").json()["id"] == "meta-llama/Llama-3"


def test_nobody_sees_the_names_that_another_key_uses(api):
    _, stranger = api.new_key()
    assert ask_for(api, "our-secret-model").status_code == 200

    for key in (stranger, api.secret):
        assert api.sdk(api_key=key).models.list().data == []
        assert api.call("GET", "/v1/models/our-secret-model", key=key).status_code == 404


def test_while_the_provider_has_told_nothing_any_model_can_be_asked_for(api):
    assert api.call("GET", "/v1/models").json() == {"object": "list", "data": []}

    assert ask_for(api, "org/any").status_code == 200


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/models/phi4:14b", "/v1/models/org/any", "/v1/models"])
def test_a_model_is_not_deleted_here(api, store, path):
    tell(store, "default")

    response = api.call("DELETE", path)

    assert response.status_code == 405
    assert "DELETE is not allowed" in refusal(response)["message"]


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models/%20", "/v1/models/" + "x" * 5000])
def test_a_name_that_nothing_has_is_not_found(api, path):
    assert refusal(requests.get(api.url + path, headers=bearer(api), timeout=20))["code"] == "model_not_found"


def bearer(api):
    return {"authorization": f"Bearer {api.secret}"}


def test_with_models_configured_the_list_is_theirs_and_no_other_is_taken(store, redis_client_url, tmp_path):
    config = tmp_path / "headrace.toml"
    config.write_text(TOML)
    tell(store, "near")

    with running_api(store.db, redis_client_url, tmp_path, config=config) as api:
        listed = api.sdk().models.list()

        assert shown(listed) == [
            ("org/large", "model", 1_700_000_000, "Meta"),
            ("phi4:14b", "model", 0, "far"),
            ("small", "model", 0, "near"),
        ]
        assert [api.sdk().models.retrieve(model.id) for model in listed] == listed.data
        for unknown in ("other", "meta-llama/Llama-3"):
            assert refusal(ask_for(api, unknown))["code"] == "model_not_found"
            assert refusal(api.call("GET", f"/v1/models/{unknown}"))["code"] == "model_not_found"
