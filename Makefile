# Every target builds .venv first where it is absent or older than pyproject.toml.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip --disable-pip-version-check
ARGS   ?=
# Tests run side by side, a process a processor: `make test WORKERS=0` runs them in one.
WORKERS ?= logical

# Idle OpenMP threads sleep instead of spinning, which would slow down everything else that runs.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help demo test lint types check format bench docs dist matrix clean

help:
	@echo "make demo     train a small detector, show which images stay hard, then what else there is"
	@echo "make test     tests and doctests; choose some with ARGS=\"-k crowd\""
	@echo "make lint     format and lint, checked"
	@echo "make types    mypy"
	@echo "make check    lint, types and test"
	@echo "make format   format, and mend what the linter can mend"
	@echo "make bench    measure speed and memory against all peers; ARGS=--quick to try"
	@echo "make docs     build the site into docs/_build/html, and check its links"
	@echo "make dist     build sdist and wheel into dist/"
	@echo "make matrix   try the wheel with the lowest and the newest dependencies; downloads some 10 GB"
	@echo "make clean    remove .venv, caches and outputs"
	@echo "All but clean build .venv when needed; another interpreter: make PYTHON=python3.12 ..."

demo: $(STAMP)
	$(BIN)/python -m examples.demo
	$(BIN)/hardest-metrics demo --out out/tour

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -M html docs docs/_build --jobs auto --fail-on-warning --keep-going --quiet
	$(BIN)/python -m docs.check_links docs/_build/html

dist: $(STAMP)
	$(BIN)/python -m build

matrix: $(STAMP)
	$(BIN)/python -m tests.matrix $(ARGS)

clean:
	rm -rf $(VENV) build dist out docs/_build docs/_pictures docs/reference .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an interrupted or failed installation is taken up again next time.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing hardest_metrics and what it needs into $(VENV)."
	@echo "The first time this downloads about 3 GB, most of it torch with CUDA, and takes minutes."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -e ".[dev]"
	@touch $@
	@echo "$(VENV) is ready."

$(VENV)/.docs: $(STAMP)
	$(PIP) install -e ".[docs]"
	@touch $@

$(VENV)/.bench: $(STAMP)
	$(PIP) install -e ".[bench]"
	$(PIP) install --no-deps hardest==0.0.0 sotabenchapi==0.0.16 sotabencheval==0.0.38
	@touch $@
