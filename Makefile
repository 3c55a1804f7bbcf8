# What can be made: `make help`. Options, e.g. `make reproduce PROFILE=standard ARGS="--only 04,12"`:
#   PROFILE   quick (default), standard or paper
#   ARGS      more options for `lowtex run`, pytest, jupyter lab or the benchmark
#   PYTHON    the interpreter to make .venv with (python 3.11 or newer)
#   PIP_ARGS  more options for pip; a machine without a GPU saves 4 GB by
#             PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PROFILE ?= quick
ARGS ?=
PYTHON ?=
PIP_ARGS ?=
export PYTHON PIP_ARGS

PY := .venv/bin/python
# named after the folder too: a moved or copied checkout has to be installed again
STAMP := .venv/.lowtex-$(shell pwd -P | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup reproduce test test-browser lab lint format lock strip reference bench readme clean distclean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make .venv and install the pinned packages and lowtex into it

$(STAMP): requirements.lock pyproject.toml tools/setup.sh
	@rm -f .venv/.lowtex-*
	@bash tools/setup.sh
	@touch $@

reproduce: $(STAMP)  ## run all notebooks headless: results/quick/index.html shows what came out
	@$(PY) -m lowtex_lab.cli run --profile $(PROFILE) $(ARGS)

test: $(STAMP)  ## run all tests
	@$(PY) -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

test-browser: $(STAMP)  ## run the notebooks and the index page in Chromium (a part of `make test`; 2 minutes)
	@$(PY) -m pytest tests/browser $(ARGS)

lab: $(STAMP)  ## open the notebooks in JupyterLab
	@$(PY) -m jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
		$(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

lint: $(STAMP)  ## check the style of all code
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

format: $(STAMP)  ## bring all code into that style
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

lock: $(STAMP)  ## pin the versions that are installed now
	@$(PY) tools/make_lock.py

strip: $(STAMP)  ## take outputs out of the notebooks' sources, before a commit
	@$(PY) -m jupyter nbconvert --clear-output --inplace notebooks/*.ipynb

RUN ?= results/quick
reference: $(STAMP)  ## keep the small files of a finished run (RUN=results/quick) in results/reference
	@$(PY) tools/keep_reference.py $(RUN)

bench: $(STAMP)  ## measure speed and memory beside a plain formulation (ARGS="--only step,loss")
	@$(PY) -m benchmarks $(ARGS)

readme: $(STAMP)  ## write the README's tables from the committed rows
	@$(PY) -m tools.readme_table

clean:  ## remove the quick run, the miniatures and caches; other results are kept
	rm -rf results/quick data/miniature .pytest_cache .ruff_cache .snakemake build dist
	find lowtex lowtex_lab tests tools notebooks benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## also remove .venv
	rm -rf .venv *.egg-info
