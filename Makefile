# Everything from here: `make` lists what there is. It needs Python 3.11 or newer and make, nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test check bench documents lock clean

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
# The folder may be renamed: programs are called as modules, never through the paths that their scripts hold.
PIP := $(PYTHON_IN_VENV) -m pip --quiet --disable-pip-version-check --no-input
# Byte code is written when a module is first used, which is faster than all of it now.
INSTALL := $(PIP) install --no-compile

help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.runtime ## Start API, worker, database, local platform and console in this terminal
	@exec $(PYTHON_IN_VENV) -m altinn_notifications run

test: $(VENV)/.development ## Run the tests
	$(PYTHON_IN_VENV) -m pytest -n 2 --dist loadfile

check: $(VENV)/.development ## Check style and types
	$(PYTHON_IN_VENV) -m ruff check
	$(PYTHON_IN_VENV) -m ruff format --check
	$(PYTHON_IN_VENV) -m mypy

bench: $(VENV)/.development ## Measure, and print the numbers that docs/performance.md quotes
	$(PYTHON_IN_VENV) -m bench

documents: $(VENV)/.development ## Write docs/openapi.json and docs/errors.md from the code
	$(PYTHON_IN_VENV) scripts/documents.py

lock: $(VENV)/.runtime ## Write the lock files anew from pyproject.toml
	$(INSTALL) uv
	$(PYTHON_IN_VENV) -m uv pip compile $(LOCKING) --output-file requirements.lock pyproject.toml
	$(PYTHON_IN_VENV) -m uv pip compile $(LOCKING) --output-file requirements-dev.lock \
		--constraint requirements.lock --extra dev pyproject.toml
LOCKING := --quiet --upgrade --universal --python-version 3.11 --group build --extra exports --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

clean: ## Remove the virtual environment and what tools left behind; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.runtime: requirements.lock pyproject.toml
	@sh scripts/make-venv $(VENV)
	@echo "Installing what the service needs ..."
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing what tests and checks need ..."
	@$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@
