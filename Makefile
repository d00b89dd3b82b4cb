# Needs make and Python >= 3.11, nothing else; uses uv where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
DEMO_ARGS ?=
PYTEST_ARGS ?=
# One more than there are cores: many tests wait for processes of their own, and leave a core idle.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# Where it is set, every process that a test starts would compile all that it imports again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo serve test corpus soak lint format bench prices clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "arc-proxy needs Python 3.11 or later, and $(PYTHON) is not: try make PYTHON=python3.12" >&2; exit 1; }
	@rm -rf $(VENV)
ifdef UV
	$(UV) venv -q --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
endif
	@touch $@

# The package is installed as a link to this folder, so only a change of pyproject.toml installs again.
$(VENV)/.core: $(VENV)/.python pyproject.toml
ifdef UV
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python -e .
else
	$(BIN)/python -m pip install -q -e .
endif
	@touch $@

$(VENV)/.dev: $(VENV)/.core pyproject.toml
ifdef UV
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python -e . --group dev
else
	$(BIN)/python -m pip install -q -e . --group dev
endif
	@touch $@

demo: $(VENV)/.core  ## try it: fake provider, sample agents, the card; no key, no network
	@$(BIN)/arc-proxy demo $(DEMO_ARGS)

serve: $(VENV)/.core  ## the real thing on 127.0.0.1:8000
	@$(BIN)/arc-proxy serve

test: $(VENV)/.dev  ## the tests, in under five minutes
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not corpus and not soak" $(PYTEST_ARGS)

corpus: $(VENV)/.dev  ## the checks against recorded exchanges (ARC_SHARED), in under ten
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "corpus and not soak" --timeout 600 $(PYTEST_ARGS)

soak: $(VENV)/.dev  ## kills, locks and full disks, at length
	$(BIN)/python -m pytest -q -s -m "soak" --timeout 1800 $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## direct, nginx and arc-proxy side by side, interleaved
	$(BIN)/python -m tests.bench.run $(BENCH_ARGS)

prices: $(VENV)/.dev  ## compile the price book from its sources
	$(BIN)/python -m pricing.compile

clean:  ## remove what make made
	rm -rf $(VENV) .demo build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
