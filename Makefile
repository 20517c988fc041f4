# Every recipe sets up what it needs, once; `make` alone prints them.
# PYTHON=python3.12 make test   chooses the interpreter
# ARGS="-k merge -x" make test  is handed on to pytest (or to the benchmarks)

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
WORKERS ?= auto
ARGS ?=

VENV := .venv
REFERENCE := .venv-reference
PEERS := .venv-peers
LOWEST := .venv-lowest
PY := $(VENV)/bin/python
PIP_QUIET := -qq --disable-pip-version-check
# Files in their order, and not those with the most tests first: then long ones with few tests would be the last.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Bytecode is kept whatever the machine's environment says: else each worker compiles all tests, and each process that
# one of them starts all of ladle.
PYTEST := PYTHONDONTWRITEBYTECODE= $(PY) -m pytest $(SPREAD)

# The reference is run beside ladle and compared by what it loads; its own environment keeps its versions apart.
# It has no upper bounds of its own: sqlglot 30 breaks its relations, DuckDB 2.0.1 some of its loads.
REFERENCE_PACKAGES := 'dlt[duckdb,parquet,postgres,sqlalchemy]==1.31.0' pymysql==1.2.4 sqlglot==27.20.0 duckdb==2.0.0

# Others that copy tables, for the benchmarks: the last versions whose packages have the program in them. Later ones
# download it when they run.
PEER_PACKAGES := 'ingestr==0.15.9' 'sling-linux-amd64==1.4.10'

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo clouds test test-slow test-all test-lowest recorded check fmt bench docs packages reference peers clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo ## load real data into demo.duckdb and show what landed
	@$(PY) examples/demo.py

test: $(VENV)/.test $(REFERENCE)/.installed ## run the suite
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.test $(REFERENCE)/.installed ## run only what `make test` leaves out
	$(PYTEST) -m slow $(ARGS); code=$$?; test $$code -eq 0 || test $$code -eq 5 # 5: there is none

recorded: $(VENV)/.test $(REFERENCE)/.installed ## ask the reference again what tests/parity has recorded of it
	RECORD_REFERENCE=1 $(PYTEST) tests/parity/test_recorded.py $(ARGS)

test-all: clouds test test-slow ## run the suite and what needs minutes, or the clouds' clients

clouds: $(VENV)/.test $(VENV)/.test-clouds ## install the clients that `make test` can do without

test-lowest: $(LOWEST)/.installed ## run the suite with the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest $(SPREAD) -m "not slow" $(ARGS)

check: $(VENV)/.dev ## format check, lint, types, layout
	@failed=0; \
	for step in "ruff format --check ." "ruff check ." "mypy" "pytest -q tests/test_layout.py"; do \
		echo "python -m $$step"; $(PY) -m $$step || failed=1; \
	done; exit $$failed

fmt: $(VENV)/.dev ## format, and fix what lint can fix
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(VENV)/.bench $(REFERENCE)/.installed ## measure against the budgets, beside the reference
	$(PY) benchmarks/run.py $(ARGS)

packages: $(VENV)/.test ## run the public suites over packages/, installed as their authors would
	@$(PY) -m pip install $(PIP_QUIET) --no-deps -e packages/ladle-toy -e packages/ladle-hostile-source
	$(PY) -m pytest -q packages $(ARGS)

docs: $(VENV)/.test ## write what the docs show of declarations, and run every snippet of README and docs
	$(PY) -m tests.docs.generated
	$(PY) -m tests.docs.types_table
	$(PY) -m pytest -q tests/unit/test_project.py $(wildcard tests/docs) $(ARGS)

reference: $(REFERENCE)/.installed ## install the reference, for parity tests and benchmarks

peers: $(PEERS)/.installed ## install ingestr and sling (90 MB), which `make bench` then measures too

clean: ## remove the environments and what the demo left
	rm -rf $(VENV) $(REFERENCE) $(PEERS) $(LOWEST) .demo demo.duckdb demo.duckdb.wal build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Set-up. A stamp is older than one of these when something has to be installed again.
INSTALLED_FROM := pyproject.toml hatch_build.py $(wildcard src/ladle/*/_*.[ch])

# Some systems ship Python without ensurepip: then the pip that is there fills the environment.
define make-venv
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; name one: PYTHON=/path/to/python3 make ..." >&2; exit 1; }
	@echo "setting up $(1)"
	@test -x $(1)/bin/python && $(1)/bin/python -m pip --version >/dev/null 2>&1 \
		|| $(PYTHON) -m venv --clear $(1) >/dev/null 2>&1 \
		|| { $(PYTHON) -m venv --clear --without-pip $(1) \
			&& $(PYTHON) -m pip --python $(1)/bin/python install $(PIP_QUIET) pip; }
endef

$(VENV)/.made:
	$(call make-venv,$(VENV))
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.test-clouds $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(VENV)/.made $(INSTALLED_FROM)
	@echo "installing ladle[$*]"
	@$(PY) -m pip install $(PIP_QUIET) -e '.[$*]'
	@touch $@

$(REFERENCE)/.installed: Makefile
	$(call make-venv,$(REFERENCE))
	@echo "installing the reference"
	@$(REFERENCE)/bin/python -m pip install $(PIP_QUIET) $(REFERENCE_PACKAGES)
	@touch $@

$(PEERS)/.installed: Makefile
	$(call make-venv,$(PEERS))
	@echo "installing ingestr and sling"
	@$(PEERS)/bin/python -m pip install $(PIP_QUIET) $(PEER_PACKAGES)
	@touch $@

# Every `name>=version` of the core and of its extras becomes `name==version`, without extras of its own.
LOWEST_VERSIONS := import re, tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	extras = [project["optional-dependencies"][name] for name in ("postgres", "pandas", "polars", "pydantic")]; \
	print(*(re.sub(r"\[.*\]", "", r).replace(">=", "==") for r in sum(extras, project["dependencies"])), sep="\n")

$(LOWEST)/.installed: $(INSTALLED_FROM)
	$(call make-venv,$(LOWEST))
	@echo "installing ladle[test] with the lowest versions"
	@$(LOWEST)/bin/python -c '$(LOWEST_VERSIONS)' > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip install $(PIP_QUIET) -c $(LOWEST)/constraints.txt 'numpy<2' -e '.[test]'
	@touch $@
