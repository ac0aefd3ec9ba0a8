# `make results` runs the main job, `make test` the tests; each sets up what it needs first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
TOOLS := .venv-tools/bin
# A package whose file is not one of those that were locked is not installed.
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK = $(TOOLS)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" $(OPTIONS)
# Files of tests go to two processes, the largest first.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile
LOCKED := dev ray spark reader tools peers tune serving serving-peers fuzz

.PHONY: help setup setup-ray setup-spark setup-serving results serve test test-all drills lint types check docs bench bench-accuracy bench-start bench-serving fuzz-serving lock sbom audit clean

help:  ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/ready  ## Build the environment in .venv/ (quick when nothing changed)

# pip has no hash for the project itself: it comes second, built by the setuptools that has one.
.venv/ready: requirements_ml.txt requirements_dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --only-binary :all: -r requirements_ml.txt -r requirements_dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/spark-ready: .venv/ready requirements_spark.txt
	$(BIN)/python $(INSTALL) --no-build-isolation -r requirements_spark.txt
	@touch $@

setup-spark: .venv/spark-ready  ## Add PySpark for its reader test (needs a Java runtime as well)

.venv/ray-ready: .venv/ready requirements_ray.txt
	$(BIN)/python $(INSTALL) --only-binary :all: -r requirements_ray.txt
	@touch $@

setup-ray: .venv/ray-ready  ## Add Ray, for --engine ray

results: setup  ## Run the main job: on data/raw/user/ if it holds files, else on the sample (where nothing real was forecast)
	$(BIN)/generate_ml_results

serve: setup-serving  ## Serve the results on http://127.0.0.1:8600, in an environment of its own (OPTIONS="--store --port 8601")
	PYTHONPATH=. .venv-serving/bin/python -m serving $(OPTIONS)

setup-serving: .venv-serving/ready  ## Build the environment that serves, in .venv-serving/

# What is not for the job has an environment of its own each, of the lock file of the same name.
.venv-%/ready: requirements_%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) --only-binary :all: -r $<
	@echo '*' > $(@D)/.gitignore
	@touch $@

test: setup  ## Run the quick tests
	$(PYTEST)

test-all: setup  ## Run every test, the slow ones included
	$(PYTEST) -m ""

drills: setup  ## Run what kills, cuts and loses in full: every step, an hour or more
	DRILLS=full $(BIN)/python -m pytest -m slow -rP -k "power_cut or crash or drill or kill or training or old_data or rehearsal or any_file or bad_line or holds_a_command_up"

lint: setup  ## Check style, known dangers of the code, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml ml pipelines scripts serving benchmarks docs
	$(BIN)/lint-imports --no-cache

docs: setup  ## Write into docs/ what the pages say of the code: options, settings, columns, lists
	PYTHONPATH=. $(BIN)/python docs/generate.py

types: setup  ## Check types
	$(BIN)/mypy

check: lint types test  ## Lint, types and quick tests

bench: setup .venv-peers/ready  ## Time this job and its peers in turn, and their memory (OPTIONS="--items 1000 --days 730 --rounds 3")
	PYTHONPATH=. $(BIN)/python -m benchmarks.speed $(OPTIONS)

bench-accuracy: setup .venv-peers/ready  ## Score this job and its peers on the same series (DATA=folder, OPTIONS="--items 300")
	PYTHONPATH=. $(BIN)/python -m benchmarks.accuracy $(if $(DATA),--data $(DATA)) $(OPTIONS)

bench-start: setup  ## Time how soon every command answers --help
	PYTHONPATH=. $(BIN)/python -m benchmarks.command_start

bench-serving: setup .venv-serving-peers/ready  ## Requests a second of one core, beside Datasette and ROAPI (needs wrk; OPTIONS="--rounds 3 --seconds 5")
	PYTHONPATH=. $(BIN)/python -m benchmarks.serving $(OPTIONS)

fuzz-serving: setup .venv-fuzz/ready  ## Try the interface of the server by its own description (OPTIONS="--examples 200")
	PYTHONPATH=. $(BIN)/python -m pytest -q -m "" tests/serving/test_fuzz.py $(OPTIONS)

lock: .venv-tools/ready  ## Write what pyproject.toml needs into requirements_*.txt, with hashes (OPTIONS=--upgrade)
	$(LOCK) pyproject.toml --only-binary :all: -o requirements_ml.txt >/dev/null
	for group in $(filter-out peers,$(LOCKED)); do $(LOCK) --group $$group -c requirements_ml.txt -o requirements_$$group.txt >/dev/null || exit; done
	$(LOCK) --group peers -o requirements_peers.txt >/dev/null

sbom: .venv-tools/ready  ## List what the job is made of, in CycloneDX, as build/sbom.json
	mkdir -p build
	PYTHONWARNINGS=ignore $(TOOLS)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.json requirements_ml.txt

audit: .venv-tools/ready  ## Ask whether holes are known in what is installed; fails where it cannot be asked
	$(TOOLS)/python .ci/audit.py $(TOOLS)/pip-audit requirements_ml.txt $(LOCKED:%=requirements_%.txt)

clean:  ## Remove the environment and caches; data, models and reports stay
	rm -rf .venv .venv-peers .venv-tools .venv-serving .venv-serving-peers .venv-fuzz .pytest_cache .mypy_cache .ruff_cache *.egg-info
