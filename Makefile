# make run [STACK=path]   clean a scan; everything lands in out/
# make test               lint, types, import contracts, plugin manifest, tests
# make docs               the documentation site, in docs/_build/html
# make benchmarks         what benchmarks print, with machine and date, in docs/benchmarks.md
# make figures            the pictures of README and docs
# make env                only the environment, in .venv
SHELL := bash
PYTHON ?= python3
STACK ?=
OUT ?= out
BIN := .venv/bin
ENV := .venv/ready
XVFB := xvfb-run -a -s "-screen 0 1600x1200x24"

.PHONY: run test docs benchmarks figures env clean
.DEFAULT_GOAL := run

run: $(ENV)
	$(BIN)/labdct run $(if $(STACK),"$(STACK)") --out "$(OUT)"

test: $(ENV)
	@tools/system_libraries.sh
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate --imports napari-labdct
	$(XVFB) $(BIN)/python -m pytest $(PYTEST)

figures: $(ENV)
	@tools/system_libraries.sh
	$(BIN)/labdct run --out "$(OUT)/readme" --no-window
	mkdir -p docs/images
	cp "$(OUT)/readme/figure.png" docs/images/sample.png
	$(XVFB) $(BIN)/python tools/make_screenshots.py

docs: $(ENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[files,docs]"
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build/html

benchmarks: $(ENV)
	$(XVFB) $(BIN)/python tools/run_benchmarks.py

env: $(ENV)

$(ENV): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "napari-labdct needs Python 3.11 or newer: name one with make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo \
	  "This Python cannot make environments: on Debian or Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[files,cluster]" --group dev
	touch $(ENV)

clean:
	rm -rf .venv $(OUT) build dist docs/_build docs/api docs/gallery .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
