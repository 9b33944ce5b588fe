# Everything is set up on demand in a virtual environment inside the checkout.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := install --require-hashes --only-binary :all:
UV := uv==0.13.9
# SCALE-Sim ends in an error with numpy 2, which other peers would bring
PEER_NUMPY := 'numpy==1.26.*'
SCALESIM := scalesim==3.0.0 'pandas<3'
# of nncodec the coder alone is used, which needs nothing; it may have to be compiled, which takes minutes;
# ZigZag imports six, which it does not ask for
PEERS := 'zstandard==0.25.*' dahuffman==0.4.2 kmeans1d==0.5.0 '--no-deps nncodec==2.1.3' torch==2.13.0 \
  'six zigzag-dse==3.9.1'
FRONTIER := $(basename $(notdir $(wildcard compress/recipes/han2016-*.toml compress/recipes/best-*.toml)))
MADE ?= results/frontier
DATA ?= mnist
FASHION ?= /usr/share/datasets/fashion-mnist
ATHERIS := atheris==3.0.0
COSMIC_RAY := cosmic-ray==8.7.0
SECONDS_EACH ?= 600
AT_ONCE ?= 1
MUTANTS_EACH ?= 70
LINES ?= 1000
CALLS ?= 10000
SEED ?= 0
RUN := $(VENV)/run.stamp
DEV := $(VENV)/dev.stamp
DOCS := $(VENV)/docs.stamp

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench frontier fashion monotone equal-bytes fuzz faults campaign mutants coverage portability trust reference page labs docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN) ## train, compress, execute, simulate, plot: results/runs/demo/
	$(BIN)/hwsim demo

test: $(DEV) ## the test suite, slow tests apart
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-slow: $(DEV) ## real training and whole-matrix runs
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow

lint: $(DEV) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The peers, SCALE-Sim above all, need other libraries than ours: they live in an environment of their own,
# for as long as it runs. What cannot be installed is left out.
bench: $(DEV) ## how fast, how small, beside SCALE-Sim, codecs, PyTorch, onnxruntime: results/bench/, results/reference/bench/
	@set -e; peers=$$(mktemp -d); trap 'rm -rf "$$peers"' EXIT; \
	echo "Installing SCALE-Sim and other peers into an environment of their own"; \
	$(BIN)/python -m venv --without-pip "$$peers"; \
	install="$(PIP) --python $$peers/bin/python install"; \
	$$install --only-binary :all: $(SCALESIM) $(PEER_NUMPY) \
	  || echo "SCALE-Sim cannot be installed here: its benchmark is skipped." >&2; \
	for peer in $(PEERS); do \
	  $$install $$peer $(PEER_NUMPY) || echo "$${peer##* } cannot be installed here: its comparison is skipped." >&2; \
	done; \
	ended=0; $(BIN)/hwsim bench --peer-python "$$peers/bin/python" || ended=$$?; \
	$(BIN)/python -m experiments.bench.report; exit $$ended

# A run that was stopped goes on where it was; finished files are kept.
frontier: $(RUN) ## train every recipe of the frontier with three seeds (hours): results/frontier/
	@set -e; made=$(MADE); mkdir -p $$made/work; export OMP_NUM_THREADS=1; \
	for recipe in $(FRONTIER); do for seed in 0 1 2; do \
	  test -e $$made/$$recipe-$$seed.dcz || $(BIN)/dcz compress --recipe $$recipe --seed $$seed \
	    --dataset $(DATA) --work $$made/work --output $$made/$$recipe-$$seed.dcz; \
	done; done; $(BIN)/dcz frontier $$made --dataset $(DATA) --output $$made/tables

fashion: ## the same on Fashion-MNIST, from the Debian package dataset-fashion-mnist: results/fashion/
	@$(MAKE) --no-print-directory frontier MADE=results/fashion DATA=$(FASHION)

# The fuzzer stays out of the environment: it is there for as long as it runs.
fuzz: $(DEV) ## ten minutes of processor for every parser: results/runs/trust/fuzz.csv
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PIP) install --target "$$tools" --only-binary :all: $(ATHERIS); \
	PYTHONPATH="tests:$$tools" $(BIN)/python -m trust.fuzz --seconds $(SECONDS_EACH) --at-once $(AT_ONCE)

monotone: $(RUN) ## does more memory, bandwidth, power or batch ever cost more? results/runs/monotone/
	$(BIN)/python -m experiments.bench.monotone

equal-bytes: $(RUN) ## networks of packages at equal bytes: ours, onnxruntime's INT8, k-means: results/runs/equal_bytes/
	mkdir -p results/runs/equal_bytes
	$(BIN)/python -m experiments.bench.equal_bytes results/runs/equal_bytes/equal_bytes.csv

faults: $(DEV) ## kill, fill disks, take workers away (Linux, as root): results/runs/trust/faults.csv
	PYTHONPATH=tests $(BIN)/python -m trust.faults

campaign: $(DEV) ## random command lines and API calls, LINES and CALLS of a SEED (Unix): results/runs/trust/campaign.csv
	PYTHONPATH=tests $(BIN)/python -m trust.campaign --lines $(LINES) --calls $(CALLS) --seed $(SEED)

# The tool for mutants has an environment of its own: it needs other libraries than ours.
mutants: $(DEV) ## change what prices, times and codes: does a test notice? results/runs/trust/mutants.csv
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv --without-pip "$$tools"; \
	$(PIP) --python "$$tools/bin/python" install --only-binary :all: --no-binary yattag $(COSMIC_RAY); \
	PYTHONPATH=tests $(BIN)/python -m trust.mutants --cosmic-ray "$$tools/bin/cosmic-ray" --each $(MUTANTS_EACH)

coverage: $(DEV) ## branches of hwsim and compress that the suite takes: results/runs/trust/coverage.csv
	rm -rf results/runs/trust/coverage
	mkdir -p results/runs/trust/coverage
	$(BIN)/python -m coverage run -m pytest -n 2 --dist loadgroup -m "not slow"
	$(BIN)/python -m coverage combine --quiet
	PYTHONPATH=tests $(BIN)/python -m trust.branches

portability: $(DEV) ## the suite on every Python here, oldest and newest libraries: results/runs/trust/portability.csv
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PIP) install --target "$$tools" $(UV); \
	PYTHONPATH=tests $(BIN)/python -m trust.portability --uv "$$tools/bin/uv"

trust: $(DEV) ## figures and tables of these six: results/reference/trust/
	PYTHONPATH=tests $(BIN)/python -m trust.report

reference: $(RUN) ## run the demo and every experiment anew, and keep them: results/reference/
	$(BIN)/hwsim demo
	$(BIN)/hwsim experiments run --all
	$(BIN)/hwsim reference

# The picture is taken by the machine's own Chromium.
page: $(DEV) ## the page and its picture anew: results/reference/page/, docs/explorer.png
	$(BIN)/hwsim page -o results/reference/page --workers 2
	PYTHONPATH=tests $(BIN)/python -m page_picture results/reference/page docs/explorer.png

labs: $(RUN) ## the course's notebooks, for students and instructors: build/labs/
	rm -rf build/labs
	$(BIN)/hwsim labs -o build/labs/student
	$(BIN)/hwsim labs --instructor -o build/labs/instructor

docs: $(DOCS) ## the documentation: docs/_build/html/index.html
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html

# Releases younger than two weeks are passed over: most bad ones are withdrawn by then.
lock: $(BIN)/python ## pin every dependency anew, with hashes, for all Pythons and platforms
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PIP) install --target "$$tools" $(UV); \
	compile="$$tools/bin/uv --quiet pip compile --universal --python-version 3.11 --upgrade --generate-hashes \
	  --exclude-newer P14D --no-header --no-annotate"; \
	$$compile pyproject.toml --extra dev --extra onnx --extra cluster --extra parquet --group build -o requirements/dev.txt; \
	$$compile pyproject.toml --group build -c requirements/dev.txt -o requirements/run.txt; \
	$$compile pyproject.toml --extra docs --group build -c requirements/dev.txt -o requirements/docs.txt

clean: ## remove the environment, caches and build products (results stay)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis docs/_build docs/generated
	find hwsim compress experiments tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian without python3-venv has no ensurepip: the machine's own pip then puts one into the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hwsim needs Python 3.11 or newer; choose one with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
	       && $(PYTHON) -m pip --quiet --python $(BIN)/python install pip; } \
	  || { rm -rf $(VENV); echo "Cannot make a virtual environment: install Python's venv module (Debian: apt install python3-venv)." >&2; exit 1; }

# Editable, so that a change to the code is used at once and only a change of dependencies reinstalls.
$(RUN): requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing the locked dependencies into $(VENV)"
	@$(PIP) $(LOCKED) -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	@echo "Installing the development tools into $(VENV)"
	@$(PIP) $(LOCKED) -r requirements/dev.txt
	@touch $@

$(DOCS): requirements/docs.txt $(RUN)
	@echo "Installing the documentation tools into $(VENV)"
	@$(PIP) $(LOCKED) -r requirements/docs.txt
	@touch $@
