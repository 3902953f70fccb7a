"""The models that a headrace serves."""

import openai
import pytest


def test_the_models_are_those_of_the_configuration(sdk, client):
    models = sdk.all(client.models.list())

    assert [model.id for model in models] == ["maker/large", "slow", "small"]
    assert {model.object for model in models} == {"model"}
    assert all(model.owned_by for model in models)


@pytest.mark.parametrize("name", ["small", "maker/large"])
def test_a_model_is_found_by_its_name_even_with_a_slash_in_it(sdk, client, name):
    model = sdk.run(client.models.retrieve(name))

    assert (model.id, model.object) == (name, "model")
    assert model._request_id.startswith("req_")


def test_a_model_that_is_not_served_is_not_found(sdk, client):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.run(client.models.retrieve("nobody-has-it"))

    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
