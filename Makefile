# `make demo` and `make test` do everything on a fresh machine; `make help` lists the rest.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
CORES ?= 2
SCALE ?= demo
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each job is a Python of its own; one that keeps no bytecode compiles all that it
# imports, and takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
# A shared cache of results is used where the user names its folder.
CACHE := $(if $(SNAKEMAKE_OUTPUT_CACHE),--cache)
# `robust-papers`, also where it is not installed.
DO := python -m pipeline_steps.cli
# Without its notes on MkDocs' future.
MKDOCS := NO_MKDOCS_2_WARNING=1 mkdocs
# What is meant for a cluster has the papers' size, unless SCALE says otherwise.
BIG := $(if $(filter file,$(origin SCALE)),paper,$(SCALE))

.PHONY: help setup demo report rehearsal data cluster plan tables publish pull verify why test lint format docs site lock hashes audit clean

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/ready ## install the environment from the lock file

# With HASHES=1 every archive must be one that requirements.hashes knows (SECURITY.md).
INSTALLED := $(if $(HASHES),--require-hashes --no-deps --requirement requirements.hashes,--requirement requirements.lock)

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11.4 or later is needed" if sys.version_info < (3, 11, 4) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile $(INSTALLED)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## run the whole pipeline at toy size, and its report
	$(DO) run --cores $(CORES) --scale $(SCALE) $(CACHE)
	@$(MAKE) --no-print-directory report

report: results/$(SCALE)/report.html ## the report of all papers, and Snakemake's own

results/$(SCALE)/report.html: $(wildcard results/$(SCALE)/papers/*/* results/$(SCALE)/*.csv results/$(SCALE)/index.html workflow/report/*) | setup
	snakemake --config scale=$(SCALE) --report $@
	@echo "Open results/$(SCALE)/index.html: all papers, and where each number comes from."
	@echo "Snakemake's own report, $@, has the rules and files behind them."

rehearsal: setup ## run every job of all papers, each as small as possible, and list failures
	$(DO) run --keep-going --cores $(CORES) --scale rehearsal
	@$(MAKE) --no-print-directory tables SCALE=rehearsal

data: setup ## build one data set, and print its card (NAME=cifar10)
	$(DO) data "$(NAME)" --cores $(CORES) --scale $(SCALE)

cluster: setup ## run the papers' size on SLURM, or SCALE=…; after any interruption, run it again
	$(DO) cluster --scale $(BIG) $(ARGS)

plan: setup ## estimate what the papers' size will cost, or SCALE=…
	$(DO) plan --scale $(BIG) $(ARGS)

tables: setup ## count the papers' printed numbers: computed, or published only, with reasons
	$(DO) tables --scale $(SCALE)

publish: setup ## push the results of this scale to DVC's remote, and commit
	$(DO) publish --scale $(SCALE)

pull: setup ## fetch and check published results (PAPER=ijsat, DEFENSE=at or FILES=… for a part)
	$(DO) pull --scale $(SCALE) \
	  $(if $(PAPER),--paper $(PAPER)) $(if $(DEFENSE),--defense $(DEFENSE)) $(FILES)

verify: setup ## check every result against its card, by name (REPAIR=1 makes again what is damaged)
	$(DO) verify --scale $(SCALE) $(if $(REPAIR),--repair --cores $(CORES))

why: setup ## say what made a file (FILE=…, and CELL="METHOD, COLUMN" of a table)
	$(DO) why $(FILE) $(if $(CELL),--cell "$(CELL)")

test: setup ## run all tests
	python -m pytest --numprocesses $(CORES) --dist loadgroup

lint: setup ## check style, types, the workflow, the generated pages and all links of the docs
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint --config scale=$(SCALE)
	python -m docs.generate --check
	$(MKDOCS) build --strict

format: setup ## format code and rules
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

docs: setup ## generate schema, reference and rule graph, and build the site: site/index.html
	python -m docs.generate
	$(MKDOCS) build --strict

site: setup ## serve the docs on this machine, and rebuild them after each change
	$(MKDOCS) serve

lock: ## resolve pyproject.toml again, and pin everything
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[workflow,test,lint,docs]'
	{ echo '# Every package of the environment, pinned. Made by `make lock`; `make` installs from it.'; \
	  $(BIN)/pip freeze --exclude-editable --exclude pip | sed 's/+cpu//'; } > requirements.lock
	touch .venv/ready
	@$(MAKE) --no-print-directory hashes

hashes: ## write the digests of all archives that this machine installs: requirements.hashes
	$(BIN)/pip install --quiet --dry-run --no-deps --ignore-installed --report .venv/report.json \
	  --requirement requirements.lock
	$(BIN)/python .ci/hashes.py .venv/report.json > requirements.hashes.new
	mv requirements.hashes.new requirements.hashes

audit: setup ## ask a public database for known faults of the pinned packages
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/pip install --quiet pip-audit
	.venv/audit/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip

clean: ## remove all results of this scale, but not the environment and the data
	rm -rf results/$(SCALE) results/.unfinished results/.locks
