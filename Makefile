# The entrance: `make` lists what there is.

PORT ?= 8000
SUB ?= local-admin
ROLE ?=

# The newest Python that Lambda runs; deploying needs 3.12 or later, all else works on 3.11 too.
PYTHON ?= $(shell for python in python3.13 python3.14 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help local local-auth token test test-all lint format clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(INSTALLED): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, 3.13 preferred: see .python-version"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Chalice restarts when any file changes, bytecode that it has just caused to be written included.
local local-auth: export PYTHONDONTWRITEBYTECODE = 1
local: $(INSTALLED) ## Serve the API on this machine, open, on an embedded database (PORT=8000)
	@$(BIN)/chalice local --port $(PORT)

local-auth: $(INSTALLED) ## The same, closed: callers need a token
	@LOCAL_AUTH=closed $(BIN)/chalice local --port $(PORT)

token: $(INSTALLED) ## Print a token for the closed server (SUB=<user_id> ROLE=admin)
	@$(BIN)/python -m localdev.token --sub '$(SUB)' $(if $(ROLE),--role '$(ROLE)')

test: $(INSTALLED) ## Run the tests
	$(BIN)/python -m pytest -m "not slow"

test-all: $(INSTALLED) ## Run the tests with the slow ones, which go further into the same things
	$(BIN)/python -m pytest

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## Put the code into its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what the commands made, but no data
	rm -rf .venv build vendor .chalice/deployments .mypy_cache .pytest_cache .ruff_cache .hypothesis
