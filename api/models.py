"""The models that jobs may ask for (contract 4.7)."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api.deps import ConfigDep, DatabaseDep
from api.schemas import WireObject
from headrace.config import Config
from headrace.db import Database
from headrace.errors import NotFound
from headrace.store import workers

router = APIRouter(tags=["models"])


class ModelObject(WireObject):
    """A model. Nobody knows when providers made theirs, so `created` is 0."""

    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """All of them: the SDK reads no second page."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


@router.get("/models")
def list_models(config: ConfigDep, database: DatabaseDep) -> ModelList:
    """The models of the configuration; where it takes any name, those that were ever asked for."""
    known = sorted(config.models) or _asked_for(database)
    return ModelList(data=[model for name in known if (model := _model(config, name))])


@router.get("/models/{model_id:path}")
def retrieve_model(model_id: str, config: ConfigDep, database: DatabaseDep) -> ModelObject:
    """One of the models that the list has."""
    model = _model(config, model_id) if config.models or model_id in _asked_for(database) else None
    if model is None:
        raise NotFound(f"The model '{model_id}' does not exist here.", param="model", code="model_not_found")
    return model


def _asked_for(database: Database) -> list[str]:
    with database.read() as session:
        return workers.lanes_ever(session)


def _model(config: Config, name: str) -> ModelObject | None:
    route = config.route(name)
    return ModelObject(id=name, owned_by=route.provider.name) if route else None
