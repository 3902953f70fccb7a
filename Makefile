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

# Versions of the `openai` SDK that the tests drive besides the one in .venv.
OLD_SDKS := 1.109.1 2.54.0
SDK_STAMPS := $(OLD_SDKS:%=.venv/sdk/%/.installed)

# Clients that are not the SDK for Python; `make clients` runs them.
CLIENTS := litellm node
LITELLM := 1.81.13

# Other people's ways to make many calls, that `make bench` measures us against.
PEERS := curator litellm
CURATOR := 0.1.31

# The tests and the stack start Python many hundred times. Where this is set, as in many images, each start
# compiles anew all that it imports, which takes longer than all the rest of it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test faults benches clients soak check bench fmt lock clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with headrace and all it needs (PYTHON=python3.13 picks the interpreter)

demo: $(STAMP) ## Run some hundred conversations through the whole stack, against a simulated provider
	$(BIN)/headrace demo $(ARGS)

up: $(STAMP) ## Start Valkey, API, workers and beat here (ARGS="--port 8001" passes options)
	$(BIN)/headrace up $(ARGS)

test: $(STAMP) $(SDK_STAMPS) ## Run the tests, on SQLite and on PostgreSQL (ARGS="-k limits" picks some)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal $(ARGS)

faults: $(STAMP) ## Run the faults of docs/reliability.md that take longer than CI has
	$(BIN)/python -m pytest -m faults $(ARGS)

benches: $(STAMP) ## Run each program of the bench with few jobs, for no figure
	$(BIN)/python -m pytest -m benches $(ARGS)

clients: $(STAMP) $(CLIENTS:%=.venv/clients/%/.installed) ## Run batches with LiteLLM, the SDK for Node and curl
	$(BIN)/python -m pytest -m clients $(ARGS)

soak: $(STAMP) ## Run a stack for half an hour with faults at random (ARGS="--seconds 300 --database postgresql")
	$(BIN)/python -m tests.soak $(ARGS)

check: $(STAMP) ## Check format, lint, types and the layers between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) $(PEERS:%=.venv/bench/%/.installed) ## Measure what we promise about speed (ARGS picks a program)
	$(BIN)/python -m bench $(ARGS)

fmt: $(STAMP) ## Rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Pin the dependencies of pyproject.toml with hashes (ARGS=--upgrade takes the newest)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(PYTHON) -m venv "$$scratch" && "$$scratch/bin/pip" install --quiet uv && \
	compile() { "$$scratch/bin/uv" pip compile --quiet --universal --python-version $(MIN_PYTHON) --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url $(ARGS) "$$@" >/dev/null; } && \
	compile pyproject.toml --output-file requirements.txt && \
	compile pyproject.toml --extra dev --constraint requirements.txt --output-file requirements-dev.txt && \
	for version in $(OLD_SDKS); do \
	  echo "openai==$$version" | compile - --output-file "tests/sdk/openai-$$version.txt" || exit; done && \
	echo "litellm==$(LITELLM)" | compile - --output-file tests/clients/litellm.txt && \
	echo "litellm[proxy]==$(LITELLM)" | compile - --output-file bench/peers/litellm.txt && \
	echo "bespokelabs-curator==$(CURATOR)" | compile - --output-file bench/peers/curator.txt

clean: ## Remove .venv and what tools left behind
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(MIN_PYTHON)".split("."))))' || { \
	  echo "headrace needs Python $(MIN_PYTHON) or newer, and '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/sdk/%/.installed: tests/sdk/openai-%.txt | $(STAMP)
	@rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes --target $(@D) -r $<
	@touch $@

.venv/clients/litellm/.installed: tests/clients/litellm.txt | $(STAMP)
	@$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/bench/%/.installed: bench/peers/%.txt | $(STAMP)
	@$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# What npm fetched is not run before its hash is compared with the pinned one.
.venv/clients/node/.installed: tests/clients/package.json | $(STAMP)
	@rm -rf $(@D) && mkdir -p $(@D) && cp $< $(@D)
	npm install --prefix $(@D) --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	@touch $@
