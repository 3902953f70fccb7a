"""The docs name what there is: each setting, each route, each link's target."""

import re
from pathlib import Path

import pytest
import typer
from fastapi import APIRouter
from fastapi.routing import APIRoute

from api import health
from api.main import RESOURCES
from headrace.cli.main import app
from headrace.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def test_every_setting_has_a_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    fields = set(Settings.model_fields) - {"openai_api_key"}
    missing = [name for name in fields if not re.search(rf"^\| .*`HEADRACE_{name.upper()}`", readme, re.M)]
    assert not missing


def test_every_route_has_a_line_in_the_reference() -> None:
    reference = (ROOT / "docs/reference/api.md").read_text()
    told = set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", reference, re.M))
    assert told == {
        *_routes(health.router, ""),
        *(one for each in RESOURCES for one in _routes(each.router, "/v1")),
    }


def test_every_command_has_a_line_in_the_reference() -> None:
    reference = (ROOT / "docs/reference/command-line.md").read_text()
    told = set(re.findall(r"^\| `headrace ([a-z]+)", reference, re.M))
    assert told == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_page_that_the_code_names_is_there() -> None:
    code = [source for part in ("api", "headrace", "worker") for source in (ROOT / part).glob("**/*.py")]
    named = {page for source in code for page in re.findall(r"`(docs/[^`]+)`", source.read_text())}
    assert named
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def _routes(router: APIRouter, prefix: str) -> set[str]:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    return {
        f"{method} {prefix}{route.path}".replace(":path", "")
        for route in routes
        for method in route.methods or ()
    }
