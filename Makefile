# Commands of this project; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Real data for tests and tests/real/sources.toml; nothing else needs it.
PMRS_REAL_DATA ?= $(wildcard ../shared/data)
override PMRS_REAL_DATA := $(abspath $(PMRS_REAL_DATA))
export PMRS_REAL_DATA
export PYTHON
# cron and containers run in the POSIX locale, in which a folder called "é" cannot be named
export LC_ALL := C.UTF-8

PMRS := .venv/bin/pmrs
sources = $(if $(SOURCES),--sources '$(SOURCES)')

.PHONY: help setup locks nightly backfill sample mongo stop test bench bench-full lint docs clean
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install both environments from the locks (repeated: under 2 s)
	@requirements/setup.sh

locks: ## update the locks after a change of requirements/*.in
	@requirements/lock.sh

nightly: setup ## run one night: the complete DAG, from logs to published lists  [DATE=2026-11-14] [SOURCES=file.toml]
	@$(PMRS) nightly $(if $(DATE),--date '$(DATE)') $(sources)

backfill: setup ## run the nights FROM= to TO= in ascending order  [SOURCES=file.toml] [DRY_RUN=1]
	@: $(if $(and $(FROM),$(TO)),,$(error backfill needs dates: make backfill FROM=2026-11-10 TO=2026-11-14))
	@$(PMRS) backfill --from '$(FROM)' --to '$(TO)' $(sources) $(if $(DRY_RUN),--dry-run)

sample: setup ## generate the synthetic sample data in var/sample
	@$(PMRS) sample

mongo: setup ## start the embedded MongoDB and print how to connect
	@$(PMRS) mongo start

stop: ## stop the embedded MongoDB; its data stays
	@if [ -x $(PMRS) ]; then $(PMRS) mongo stop; fi

test: setup ## run the tests  [SLOW=1 all of them] [ARGS='-k lake -x']
	@.venv/bin/python $(if $(ARGS),-m pytest $(ARGS),tests/parallel.py $(if $(SLOW),,-m 'not slow'))

bench: setup ## measure against peers in the same run; results go to bench/results/  [ONLY=ingest]
	@.venv/bin/python -m bench $(ONLY)

bench-full: setup ## run a synthetic night of the Taste Profile's size  SIZE=1|1/2|1/4|1/8|1/8-genres
	@.venv/bin/python -m bench.full $(or $(SIZE),1/8)

lint: setup ## run ruff, mypy --strict and import-linter
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

docs: setup ## generate docs/data-dictionary.md from the schemas
	@mkdir -p docs
	@$(PMRS) schema >docs/data-dictionary.md.part
	@mv docs/data-dictionary.md.part docs/data-dictionary.md

clean: stop ## remove both environments and caches; var/ (your data) stays
	@rm -rf .venv .venv-airflow .venv-uv .python .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
