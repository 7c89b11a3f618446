# Colonnina. `make demo` shows it, `make test` proves it; both set up what they need.
PORT ?= 8000
STATIONS ?= 3
SPEED ?= 1
DATA ?= ./var/demo
KILLS ?= 200

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test kill-loop lint format docs bench clean

demo: $(VENV)/.demo
	@exec $(BIN)/python -m deploy.local --port $(PORT) --stations $(STATIONS) --speed $(SPEED) --data $(DATA)

# Installs mosquitto and Chromium from the distribution where they are missing, then proves everything.
test: $(VENV)/.dev
	@sh tests/install-programs.sh
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(ARGS)

# Kills a station process KILLS times at random moments, with sessions going on; takes about 9 minutes.
kill-loop: $(VENV)/.dev
	@sh tests/install-programs.sh
	COLONNINA_KILLS=$(KILLS) $(BIN)/python -m pytest -s tests/e2e/test_kill_loop.py $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the references that are made from the code; a test fails when they are stale.
docs: $(VENV)/.dev
	$(BIN)/python -m edge.station.explore > docs/reference/station-states.md
	$(BIN)/python -m edge.station.device_model > docs/reference/variables.md

# Prints what it measures, each figure beside its reference from the same run.
bench: $(VENV)/.dev
	@sh tests/install-programs.sh
	$(BIN)/python -m tests.bench $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Colonnina needs Python 3.11 or newer; choose one: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing what the demo needs, into $(VENV)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[edge,cloud,demo]'
	@touch $@

$(VENV)/.dev: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing what development needs, into $(VENV)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[edge,cloud,dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
