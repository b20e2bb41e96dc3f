# `make tune` and `make test` are all a newcomer needs; both make the virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two files at a time: much of the tests' time is spent waiting for processes to start.
# In the order in which tests/conftest.py puts them: the longest first.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Without kept bytecode the tests' assertions are rewritten anew in each process: 6 seconds each.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: tune test quick check faults fuzz mutants bench format clean

tune: $(STAMP)
	$(BIN)/python -m orchestrator tune --method au

test: $(STAMP)
	$(PYTEST) --durations 15

# Without what starts Ray, a browser, other processes or whole searches: 2 minutes 5 on two cores.
quick: $(STAMP)
	$(PYTEST) -m 'not faults and not fuzz and not slow' --durations 15

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) --durations 15

# Every fault of docs/reliability.md, injected for real: some 17 minutes; as root also full disks.
faults: $(STAMP)
	$(PYTEST) -m '' --durations 15 tests/faults $$($(BIN)/python -m tests.faults.table elsewhere)

# Every reader on changed files and on tables of any contents: `make fuzz MINUTES=60`; findings go to runs/fuzz.
MINUTES ?= 10
fuzz: $(STAMP)
	FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest -m fuzz -rA --show-capture stdout tests/fuzz

# Each small change of the code that makes scores must make its tests fail: about half an hour of one core. Fewer:
# make mutants MUTANTS='--only ccc --sample 20'
mutants: $(STAMP)
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

# Every bar of speed, before and now in turn, into docs/benchmarks.md: at most 20 minutes on two quiet cores.
bench: $(STAMP)
	$(BIN)/python -m benchmarks.all_bars $(BARS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; name it: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
