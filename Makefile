# Everything here sets itself up: it needs Python 3.11 or newer with pip, and make.
PYTHON ?= python3
ARGS ?=
BENCH ?= credits webhooks rails
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# ---------------------------------------------------------------------------- installation
# A lock lists every package with its hashes and no index address: pip takes those wheels or none.
# Jetpay itself is installed without asking an index, its build backend being in the lock.
PIP_FLAGS := --quiet --disable-pip-version-check --no-input --no-compile
INSTALL_LOCKED := install $(PIP_FLAGS) --require-hashes --only-binary :all: -r
INSTALL_JETPAY := install $(PIP_FLAGS) --no-deps --no-build-isolation -e .

# Some systems ship venv without pip in it; then the pip outside works on the environment.
PIP = pip_() { if $(BIN)/python -m pip --version >/dev/null 2>&1; \
	then $(BIN)/python -m pip "$$@"; \
	else $(PYTHON) -m pip --python $(BIN)/python "$$@"; fi; }; pip_

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Jetpay needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m venv --clear --without-pip $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml requirements.lock
	@echo "installing Jetpay into $(VENV)"
	@$(PIP) $(INSTALL_LOCKED) requirements.lock
	@$(PIP) $(INSTALL_JETPAY)
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml requirements-dev.lock
	@echo "installing Jetpay and what its tests need into $(VENV)"
	@$(PIP) $(INSTALL_LOCKED) requirements-dev.lock
	@$(PIP) $(INSTALL_JETPAY)
	@touch $(VENV)/.installed $@

.PHONY: install install-dev
install: $(VENV)/.installed ## set up what running Jetpay needs (the others do it themselves)
install-dev: $(VENV)/.installed-dev ## set up what its tests need as well

# -------------------------------------------------------------------------------- running
.PHONY: demo serve
demo: $(VENV)/.installed ## play a whole payout over HTTP, then serve its pages (ARGS=--once to leave)
	@$(BIN)/jetpay demo $(ARGS)

serve: $(VENV)/.installed ## start Jetpay
	@$(BIN)/jetpay serve $(ARGS)

# -------------------------------------------------------------------------------- proving
.PHONY: test coverage campaign check bench
test: $(VENV)/.installed-dev ## the tests (ARGS="-k link" for some of them)
	@$(BIN)/python -m pytest -n 2 -m "not campaign" $(ARGS)

coverage: $(VENV)/.installed-dev ## the tests, and the lines and branches they leave out
	@$(BIN)/python -m pytest -n 2 -m "not campaign" --cov --cov-report=term-missing $(ARGS)

campaign: $(VENV)/.installed-dev ## the long proofs
	@$(BIN)/python -m pytest -m campaign --timeout 3600 --hypothesis-profile=new $(ARGS)

check: $(VENV)/.installed-dev ## format, lint, types, rings, tidiness, translations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict src tests
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -s tests/test_tidy.py tests/test_architecture.py \
		tests/test_translations.py

bench: $(VENV)/.installed-dev ## how fast this machine is (BENCH=credits, webhooks or rails for a part)
	@for part in $(BENCH); do $(BIN)/python -m bench $$part $(ARGS) || exit; done

# ---------------------------------------------------------------------------------- upkeep
.PHONY: format lock clean
format: $(VENV)/.installed-dev ## rewrite the code in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --only-binary :all: --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

lock: $(VENV)/.installed-dev ## resolve the dependencies again (ARGS=--upgrade for newer ones)
	@$(LOCK) --extra build -o requirements.lock
	@$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what make made
	rm -rf $(VENV) dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
