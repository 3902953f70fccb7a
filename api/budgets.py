"""Budgets: what a batch may spend, set and looked at; and those of the caller's key."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from api.amounts import Usd
from api.batch_object import BatchObject
from api.batches import find_batch, shown
from api.budget_object import BatchBudgetObject, KeyBudget, KeyBudgets
from api.deps import CallerDep, DatabaseDep
from api.openapi import json_body
from api.payloads import JsonBody, fitted
from api.refusals import refuses
from headrace.clock import now
from headrace.errors import Conflict
from headrace.money import nanos
from headrace.patience import patiently
from headrace.states import BATCH_FINAL
from headrace.store import budgets

router = APIRouter(tags=["budgets"])


class NewBudget(BaseModel):
    """What a batch may spend from now on, what it spent already included; null is any amount."""

    model_config = ConfigDict(extra="forbid")

    usd: Usd | None


@router.post("/batches/{batch_id}/budget", openapi_extra=json_body(NewBudget))
@refuses(409)
def set_batch_budget(batch_id: str, body: JsonBody, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """Give a batch another budget, or none. What is held for it goes on in some seconds if that has room."""
    wanted = fitted(NewBudget, body)
    limit = None if wanted.usd is None else nanos(wanted.usd)

    def change(session: Session) -> BatchObject:
        batch = find_batch(session, key.id, batch_id)
        if batch.status in BATCH_FINAL:
            raise Conflict(f"Cannot change the budget of a batch with status '{batch.status}'.")
        budgets.limit_batch(session, batch, limit)
        session.refresh(batch)
        return shown(session, batch)

    return patiently(database, change)


@router.get("/batches/{batch_id}/budget")
def retrieve_batch_budget(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchBudgetObject:
    """What a batch may spend, what it spent, and when shares of its limit were reached."""
    with database.read() as session:
        batch = find_batch(session, key.id, batch_id)
        return BatchBudgetObject.of(batch.model_dump(), budgets.alerts_of(session, [batch.id]))


@router.get("/budgets")
def list_budgets(key: CallerDep, database: DatabaseDep) -> KeyBudgets:
    """The budgets of the key that asks, each in the period that runs. `headrace keys budget` sets them."""
    with database.read() as session:
        standings = budgets.standings(session, [key.id], now()).get(key.id, [])
        names = [budgets.name_of(key.id, standing) for standing in standings]
        alerts = budgets.alerts_of(session, names)
    shown_ones = [
        KeyBudget.of(standing, [alert for alert in alerts if alert.account == name])
        for standing, name in zip(standings, names, strict=True)
    ]
    return KeyBudgets(data=shown_ones)
