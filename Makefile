# Run `make` for a list of the commands.

PORT ?= 8000
SUB ?= local-admin
ROLE ?=
STAGE ?= dev
TABLE ?= keep
ROUTING ?= single
SNAPSTART ?=
STORAGE ?=
SECRET ?=

# Lambda's newest runtime is preferred. Deploying needs 3.12 or later, everything else 3.11.
PYTHON ?= $(shell for python in python3.13 python3.14 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
# Writes the lock files.
UV := 0.13.9
AUDIT := cyclonedx-bom==7.5.0 pip-audit==2.10.1

.DEFAULT_GOAL := help
.PHONY: help local local-auth token listen migrate migrate-stage openapi release-openapi tools test test-unit test-all lint format clean \
	lock sbom audit deploy delete package terraform package-size emulators bench

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

$(INSTALLED): requirements.txt requirements-postgresql.txt requirements-dev.txt requirements-docs.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, 3.13 preferred: see .python-version"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-docs.txt
	@touch $@

# Chalice restarts when any file changes, including bytecode that it has just written. The stage
# "local" is not in config.json, so it keeps the shell's settings. The import ends the command if the
# application is broken: Chalice would print the traceback and wait for a change.
local local-auth: export PYTHONDONTWRITEBYTECODE = 1
# Each line of the log is read at once, also through a pipe.
local local-auth: export PYTHONUNBUFFERED = 1
local: $(INSTALLED) ## Serve the API on this machine, open (PORT=8000, STORAGE=dynamodb or postgresql)
	@$(BIN)/python -c 'import app'
	@$(if $(STORAGE),PYTHON=$(abspath $(BIN)/python) localdev/install-emulators $(STORAGE:dynamodb=ministack))
	@$(if $(STORAGE),$(BIN)/python -m localdev.serve $(STORAGE),$(BIN)/chalice local --stage local) --port $(PORT)

local-auth: $(INSTALLED) ## Serve the API on this machine, with authentication
	@$(BIN)/python -c 'import app'
	@LOCAL_AUTH=closed $(BIN)/chalice local --stage local --port $(PORT)

token: $(INSTALLED) ## Print a token for the closed server (SUB=<user_id> ROLE=admin)
	@$(BIN)/python -m localdev.token --sub '$(SUB)' $(if $(ROLE),--role '$(ROLE)')

listen: PORT = 9000
listen: $(INSTALLED) ## Receive webhooks on this machine and print them (PORT=9000 SECRET=whsec_…)
	@WEBHOOK_SECRET='$(SECRET)' $(BIN)/python -m localdev.listen --port $(PORT)

migrate: $(INSTALLED) ## Upgrade the schema of the PostgreSQL database at STORAGE_URL
	$(BIN)/alembic upgrade head

migrate-stage: $(INSTALLED) ## Upgrade the schema of a stage's database, from its network (STAGE=prod)
	@$(BIN)/python -m deployment migrate $(STAGE)

openapi: $(INSTALLED) ## Write docs/openapi.json
	@$(BIN)/python -m localdev.document

release-openapi: $(INSTALLED) ## Write docs/openapi.json and freeze the compatibility baseline
	@$(BIN)/python -m localdev.document --released

emulators: $(INSTALLED) ## Install the emulators for the tests and make local STORAGE=dynamodb
	@PYTHON=$(abspath $(BIN)/python) localdev/install-emulators

tools: $(INSTALLED) ## Install the external tools that test the OpenAPI document
	@PYTHON=$(abspath $(BIN)/python) tests/install-tools

test-unit: $(INSTALLED) ## Run the unit tests (seconds)
	$(BIN)/python -m pytest -m "not slow" tests/unit

test: $(INSTALLED) emulators tools ## Run the tests, except the slow ones (minutes)
	$(BIN)/python -m pytest -m "not slow"

test-all: $(INSTALLED) emulators tools ## Run all tests
	$(BIN)/python -m pytest --hypothesis-profile=thorough

deploy: $(INSTALLED) ## Deploy or update a personal stage (STAGE=dev)
	@$(BIN)/python -m deployment deploy $(STAGE)

delete: $(INSTALLED) ## Delete what deploy created; the data only with TABLE=delete (STAGE=dev)
	@$(BIN)/python -m deployment delete $(STAGE) --table $(TABLE)

package: $(INSTALLED) ## Generate a CloudFormation template (STAGE=prod ROUTING=per-route SNAPSTART=on)
	@$(BIN)/python -m deployment package $(STAGE) --routing $(ROUTING) $(if $(filter on,$(SNAPSTART)),--snapstart)

terraform: $(INSTALLED) ## Generate a Terraform directory (STAGE=prod ROUTING=per-route)
	@$(BIN)/python -m deployment terraform $(STAGE) --routing $(ROUTING)

package-size: package ## Show the size of the deployment package (STAGE=prod)
	@$(BIN)/python -m deployment size build/$(STAGE)/cloudformation/deployment.zip

bench: $(INSTALLED) emulators ## Run the benchmarks and write docs/performance.md
	@$(BIN)/python -m benchmarks

lock: $(INSTALLED) ## Pin the dependencies in requirements*.in, with hashes, in requirements*.txt
	@test -x .tools/lock/bin/uv || { $(PYTHON) -m venv .tools/lock \
		&& .tools/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV); }
	@for name in requirements requirements-postgresql requirements-dev requirements-docs; do \
		.tools/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
		$$(test $$name != requirements-docs || echo --no-deps) $$name.in --output-file $$name.txt \
		|| exit 1; done

sbom: $(INSTALLED) ## Write the deployment package's SBOM (CycloneDX) to build/sbom.cdx.json
	@test -x .tools/audit/bin/cyclonedx-py || { $(PYTHON) -m venv .tools/audit \
		&& .tools/audit/bin/python -m pip install --quiet --disable-pip-version-check $(AUDIT); }
	@mkdir -p build
	@.tools/audit/bin/cyclonedx-py requirements requirements.txt --output-reproducible \
		--output-file build/sbom.cdx.json

audit: sbom ## Check the dependencies for known vulnerabilities (needs the network)
	@for name in requirements requirements-postgresql requirements-dev; do \
		.tools/audit/bin/pip-audit --require-hashes --disable-pip --requirement $$name.txt || exit 1; done

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove everything that the commands created, except data
	rm -rf .venv .emulators .tools build vendor .chalice/deployments .mypy_cache .pytest_cache .ruff_cache .hypothesis
