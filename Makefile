# `make results` runs the main job, `make test` the tests; each sets up what it needs first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: help setup setup-spark results test test-all drills lint types check docs bench-accuracy bench-start clean

help:  ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/ready  ## Build the environment in .venv/ (quick when nothing changed)

.venv/ready: requirements_ml.txt requirements_dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements_dev.txt
	@touch $@

.venv/spark-ready: .venv/ready requirements_spark.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements_spark.txt
	@touch $@

setup-spark: .venv/spark-ready  ## Add PySpark for its reader test (needs a Java runtime as well)

results: setup  ## Run the main job: on data/raw/user/ if it holds files, else on the sample
	$(BIN)/generate_ml_results

test: setup  ## Run the quick tests
	$(BIN)/python -m pytest -q

test-all: setup  ## Run every test, the slow ones included
	$(BIN)/python -m pytest -q -m ""

drills: setup  ## Run what kills, cuts and loses in full: every step, an hour or more
	DRILLS=full $(BIN)/python -m pytest -m slow -rP -k "power_cut or crash or drill or kill or training or old_data"

lint: setup  ## Check style, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

docs: setup  ## Write into docs/ what the pages say of the code: options, settings, columns, lists
	PYTHONPATH=. $(BIN)/python docs/generate.py

types: setup  ## Check types
	$(BIN)/mypy

check: lint types test  ## Lint, types and quick tests

bench-accuracy: setup .venv-peers/ready  ## Score this job and its peers on the same series (DATA=folder, OPTIONS="--items 300")
	PYTHONPATH=. $(BIN)/python -m benchmarks.accuracy $(if $(DATA),--data $(DATA)) $(OPTIONS)

bench-start: setup  ## Time how soon every command answers --help
	PYTHONPATH=. $(BIN)/python -m benchmarks.command_start

.venv-peers/ready: requirements_peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r requirements_peers.txt
	@echo '*' > .venv-peers/.gitignore
	@touch $@

clean:  ## Remove the environment and caches; data, models and reports stay
	rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache *.egg-info
