# Every command a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
export UV_PYTHON_DOWNLOADS := never
# Trust the certificates of this machine, as pip does: uv brings its own otherwise, and a proxy's is not among those.
export UV_SYSTEM_CERTS ?= 1

.PHONY: help install setup demo test test-full test-fast check faults hosts bench trace coverage contracts container drops wheel sbom lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## make .venv/ for production: the run-time packages alone, wheels alone, by their hashes

setup: $(VENV)/.ready ## make .venv/ for development: also what tests, checks and the demo need

$(UV): requirements-tools.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tokaut needs Python 3.11 or newer; set PYTHON=python3.13, for example."; exit 1; }
	@echo "Making .uv, the installer: some seconds."
	@$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement requirements-tools.lock
	@touch $@

$(VENV)/.installed: requirements.lock requirements-tools.lock pyproject.toml | $(UV)
	$(call environment,requirements.lock)
	@rm -f $(VENV)/.ready && touch $@

$(VENV)/.ready: requirements-dev.lock requirements-tools.lock pyproject.toml | $(UV)
	$(call environment,requirements-dev.lock)
	@rm -f $(VENV)/.installed && touch $@

# Exactly the packages of a lock, and this checkout, which is built with the tools of requirements-tools.lock.
define environment
	@echo "Making .venv from $(1). The first time fetches the packages: a minute or more."
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip sync --python $(BIN)/python --require-hashes --only-binary :all: $(1)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --only-binary :all: --build-constraints requirements-tools.lock --editable .
endef

demo: setup ## the whole main job on this machine; ONCE=1 stops after the report has arrived, PORT= moves it
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/tokaut demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

# What the tests start reads compiled modules: a thousand processes would each compile all that they import.
test: setup ## the tests, against a real Valkey and a real PostgreSQL that they start; of large products and slow tests a part a day
	@env -u PYTHONDONTWRITEBYTECODE TMPDIR="$$($(BIN)/python -m tests.support.scratch)" $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not faults" --daily --durations=25

test-full: setup ## all tests and cases, of which `make test` runs a part a day
	@env -u PYTHONDONTWRITEBYTECODE TMPDIR="$$($(BIN)/python -m tests.support.scratch)" $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not faults" --durations=25

test-fast: setup ## the quick tests of five packages, without large products: 40 seconds
	@$(BIN)/pytest -n 2 -m "not slow and not product" --daily tests/flows tests/gateway tests/reports tests/runtime tests/workers

check: setup ## lint, types, import rules, unused code, undeclared packages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/deptry . && $(BIN)/vulture

faults: setup ## kill everything, count every report, prove that it would be seen; PART=mutants, jumps, attacks or overload, EXPERIMENT=, SEED=, LONG=1
	@$(BIN)/python -m tests.faults $(PART)

hosts: setup ## kill, freeze and cut off whole hosts, fail over and upgrade; needs Linux and root; REPORTS=, SEED=, UPGRADE_FROM=, AWAY=
	@$(BIN)/python -m tests.hosts

bench: setup ## speed as ratios to a floor measured in the same run; also var/bench.json and docs/performance.svg
	@$(BIN)/python -m tests.support.bench --draw docs/performance.svg

trace: setup ## where one reply, Send and one delivery go: modules, functions, calls; sizes of folders and modules
	@$(BIN)/python -m tests.support.trace

coverage: setup ## which lines and branches the tests run; takes about twice as long as `make test-full`; TESTS= a part of them
	@rm -rf var/coverage && mkdir -p var/coverage
	@env -u PYTHONDONTWRITEBYTECODE TMPDIR="$$($(BIN)/python -m tests.support.scratch)" $(BIN)/coverage run -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not faults" $(TESTS)
	@$(BIN)/coverage combine -q && $(BIN)/coverage report | tail -40

contracts: setup ## schemathesis against a running web and console by docs/contracts; EXAMPLES= of each operation, SEED=
	@$(BIN)/python -m tests.contracts

drops: setup ## 2,000 callers whose lines drop, and how many are heard; CALLERS=, SEED=
	@$(BIN)/python -m tests.drops

wheel: $(UV) ## build dist/tokaut-*.whl from this checkout; docs/install.md installs it
	@.uv/bin/python -m hatchling build --target wheel --directory dist

SBOM = dist/tokaut.cdx.json

sbom: setup ## write the bill of materials of production, from requirements.lock, as CycloneDX JSON to dist/
	@mkdir -p dist && $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --output-file $(SBOM)

container: setup ## build the images and run compose.yaml by podman, as root: a report arrives, each process may do little
	@CONTAINER=1 $(BIN)/pytest tests/deploy/test_containers.py

LOCK = $(UV) pip compile --quiet --python $(PYTHON) --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

lock: $(UV) ## make all three locks anew from pyproject.toml; UPGRADE=1 takes the newest packages
	@$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock
	@$(LOCK) $(if $(UPGRADE),--upgrade) --all-extras --group dev pyproject.toml -o requirements-dev.lock
	@$(LOCK) $(if $(UPGRADE),--upgrade) --group tools -o requirements-tools.lock

clean: ## remove what was made here
	@rm -rf .venv .uv var
