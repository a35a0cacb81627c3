# Two commands for a new user: `make demo` and `make test`. Both set up what they need.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test lint types wheel-test bench long clean

# Debian keeps the venv module's pip in a package of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hourledger needs Python 3.11 or newer"; exit 2; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); apt-get update -q && apt-get install -qy python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	@touch $@

demo: $(VENV)/.installed
	@rm -rf .demo && mkdir .demo
	$(BIN)/hourledger --database sqlite:///.demo/county.db demo --scale 0.01 --seed 1

test: $(VENV)/.installed-test lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

# What is reached from outside, and every example of the documents, against the built wheel, so that the tree cannot
# stand in for it. Rules, stores and faults are the same modules: `make test` has gone through them.
OUTSIDE := tests/acceptance $(addprefix tests/integration/test_,cli*.py demo.py *guide.py evidence_document.py import_sheets.py client.py)

wheel-test: $(VENV)/.installed-test
	rm -rf dist .venv-wheel .wheel-test
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install -q -c constraints.txt "$$(ls dist/*.whl)[test]"
	mkdir .wheel-test && cp -r tests docs README.md pyproject.toml .wheel-test/
	cd .wheel-test && ../.venv-wheel/bin/python -P -m pytest -n $(WORKERS) --dist loadgroup -q -m "not tree" $(OUTSIDE)

# What takes hours: 500 kills, 20 outages, long random histories, a million lines over HTTP.
long: $(VENV)/.installed-test
	TEST_LONG=1 $(BIN)/python -m pytest -q tests/simulation tests/acceptance tests/integration/test_bundle*.py tests/integration/test_hledger.py

# The whole table beside the peers; BENCH="--scale 0.1 --county 0.05 --growth 100000 --runs 1" for a quick look.
bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks --json benchmarks.json --document docs/benchmarks.md $(BENCH)

$(VENV)/.installed-bench: $(VENV)/.installed-test
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-wheel .wheel-test dist .demo .pytest_cache .mypy_cache .ruff_cache
