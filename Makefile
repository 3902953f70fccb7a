# Everything here works on a fresh machine with git, make and Python 3.11 or newer; every target but `help`,
# `lock` and `clean` first brings .venv up to date.

PYTHON ?= python3
ARGS ?=
# Of the tests; most of them wait most of the time.
PROCESSES ?= 3
BIN := .venv/bin
STAMP := .venv/.installed

# The oldest interpreter that the lock files are resolved for.
MIN_PYTHON := 3.11

.DEFAULT_GOAL := help
.PHONY: help setup demo up test faults soak check bench fmt lock clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with headrace and all it needs (PYTHON=python3.13 picks the interpreter)

demo: $(STAMP) ## Run some hundred conversations through the whole stack, against a simulated provider
	$(BIN)/headrace demo $(ARGS)

up: $(STAMP) ## Start Valkey, API, workers and beat here (ARGS="--port 8001" passes options)
	$(BIN)/headrace up $(ARGS)

test: $(STAMP) ## Run the tests, on SQLite and on PostgreSQL (ARGS="-k limits" picks some)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal $(ARGS)

faults: $(STAMP) ## Run the faults of docs/reliability.md that take longer than CI has
	$(BIN)/python -m pytest -m faults $(ARGS)

soak: $(STAMP) ## Run a stack for half an hour with faults at random (ARGS="--seconds 300 --database postgresql")
	$(BIN)/python -m tests.soak $(ARGS)

check: $(STAMP) ## Check format, lint, types and the layers between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## Measure what we promise about speed (ARGS picks a program)
	$(BIN)/python -m bench $(ARGS)

fmt: $(STAMP) ## Rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Pin the dependencies of pyproject.toml with hashes (ARGS=--upgrade takes the newest)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(PYTHON) -m venv "$$scratch" && "$$scratch/bin/pip" install --quiet uv && \
	compile() { "$$scratch/bin/uv" pip compile --quiet --universal --python-version $(MIN_PYTHON) --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url $(ARGS) pyproject.toml "$$@"; } && \
	compile --output-file requirements.txt >/dev/null && \
	compile --extra dev --constraint requirements.txt --output-file requirements-dev.txt >/dev/null

clean: ## Remove .venv and what tools left behind
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(MIN_PYTHON)".split("."))))' || { \
	  echo "headrace needs Python $(MIN_PYTHON) or newer, and '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
