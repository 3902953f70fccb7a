"""The models that jobs may ask for (contract 4.7)."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import Session

from api.deps import ConfigDep, DatabaseDep
from api.schemas import WireObject
from headrace.config import Config, Provider
from headrace.errors import NotFound
from headrace.store import provider_models
from headrace.store.provider_models import Served

router = APIRouter(tags=["models"])


class ModelObject(WireObject):
    """A model. `created` is 0 and `owned_by` the provider's name, where the provider says nothing of them."""

    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All of them: the SDK reads no second page."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


@router.get("/models")
def list_models(config: ConfigDep, database: DatabaseDep) -> ModelList:
    """The models of the configuration; where it takes any name, those that its provider says it serves."""
    with database.read() as session:
        return ModelList(data=_configured(config, session) if config.models else _served(config, session))


@router.get("/models/{model_id:path}")
def retrieve_model(model_id: str, config: ConfigDep, database: DatabaseDep) -> ModelObject:
    """One of the models that the list has."""
    route = config.route(model_id)
    told = None
    if route is not None:
        with database.read() as session:
            told = provider_models.find(session, route.provider.name, route.model)
    if route is None or not (told or config.models):
        raise NotFound(f"The model '{model_id}' does not exist here.", param="model", code="model_not_found")
    return _model(model_id, route.provider, told)


def _configured(config: Config, session: Session) -> list[ModelObject]:
    told = {
        (provider, model.id): model
        for provider in config.providers
        for model in provider_models.known(session, provider)
    }
    routes = ((name, route) for name in sorted(config.models) if (route := config.route(name)))
    return [
        _model(name, route.provider, told.get((route.provider.name, route.model))) for name, route in routes
    ]


def _served(config: Config, session: Session) -> list[ModelObject]:
    (quota,) = config.quotas.values()
    provider = config.providers[quota.provider]
    return [_model(model.id, provider, model) for model in provider_models.known(session, provider.name)]


def _model(name: str, provider: Provider, told: Served | None) -> ModelObject:
    created, owner = (told.created, told.owned_by) if told else (0, "")
    return ModelObject(id=name, created=created, owned_by=owner or provider.name)
