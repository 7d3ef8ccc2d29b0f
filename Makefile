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

# An activated environment or a Python setting of the caller's shell must not reach the environments in .envs.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_SYSTEM_PYTHON
export SAM_CLI_TELEMETRY := 0
# sam needs a region to read a template; which one makes no difference.
SAM := AWS_DEFAULT_REGION=us-east-1 .envs/sam/bin/sam
DEV := .envs/dev/bin/python
LOCAL := .envs/local/bin/python
UV := .envs/uv/bin/uv
stack := .envs/local/.done .envs/bare/.done
# The console's tests use the Chromium of this machine. Without one they are skipped and their environment is not set up.
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))
browser := $(if $(CHROMIUM),.envs/browser/.done)
functions := $(patsubst functions/%/app.py,%,$(wildcard functions/*/app.py))
groups := uv light step stream local sam dev docs fuzz cli browser checkov
sources := agents functions shared local clients/python proof tests bench docs
BIOME := .envs/js/node_modules/.bin/biome
scripts := console clients/js tests/ai_sdk

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^# --+ / {sub(/^# --+ /, ""); heading = "\n" $$0 "\n"} \
	  /^[a-z-]+:.*## / {printf "%s  make %-14s %s\n", heading, $$1, $$2; heading = ""}' Makefile

# ------------------------------------------------------------------ run it here

.PHONY: run serve token cli
run: $(stack) ## start the local stack, show two runs, stay until Ctrl-C
	@$(LOCAL) -m local.run

serve: $(stack) ## start the local stack, stay until Ctrl-C
	@$(LOCAL) -m local.serve

token: .envs/local/.done ## print a token for the local stack: make token WORKSPACE=acme USER=ada (default: your login name)
	@$(LOCAL) -m local.token

cli: .envs/cli/.done ## set up the command .envs/cli/bin/outlive and print its path
	@echo .envs/cli/bin/outlive

# ------------------------------------------------------------------ test and check

.PHONY: test test-deploy shuffled check fmt docs site
test: $(stack) .envs/dev/.done .envs/cli/.done $(browser) | .envs/dynamodb-local/.done .envs/ai-sdk-7/.done .envs/ai-sdk-6/.done ## run every test
	@$(DEV) -m pytest -n 4 $(ARGS)

test-deploy: $(stack) .envs/dev/.done .envs/sam/.done ## build and deploy with the real SAM CLI into the local AWS: first, update, failure, deletion (5 minutes)
	@SAM_DEPLOY=1 $(DEV) -m pytest tests/sam $(ARGS)

shuffled: ## run every test in a random order; it prints the seed: make shuffled SEED=… repeats that order
	@$(MAKE) test ARGS='-p randomly --randomly-dont-reset-seed $(if $(SEED),--randomly-seed=$(SEED)) $(ARGS)'

check: .envs/dev/.done .envs/local/.done .envs/sam/.done .envs/docs/.done .envs/js/.done .envs/checkov/.done ## check format, lint, types, the template, imports, generated files and the site
	@$(DEV) -m ruff format --check --output-format concise $(sources) \
	  || { echo "outlive: some files are not formatted; make fmt formats them" >&2; exit 1; }
	@$(DEV) -m ruff check --quiet $(sources)
	@$(BIOME) check --error-on-warnings --colors=off --log-level=error $(scripts) > /dev/null || { echo "outlive: the JavaScript is not clean; make fmt formats it" >&2; exit 1; }
	@$(DEV) -m mypy
	@for name in $(functions); do MYPYPATH=shared:functions/$$name $(DEV) -m mypy functions/$$name || exit 1; done
	@.envs/sam/bin/cfn-lint template.yaml docs/edge/template.yaml
	@mkdir -p .build
	@$(LOCAL) -m local.expanded > .build/template.json
	@.envs/checkov/bin/checkov --file .build/template.json docs/edge/template.yaml > .build/checkov.log 2>&1 || { cat .build/checkov.log >&2; exit 1; }
	@$(SAM) validate --lint > .build/sam-validate.log 2>&1 || { cat .build/sam-validate.log >&2; exit 1; }
	@$(DEV) -m pytest -q tests/unit/test_arrows.py
	@$(DEV) -m proof.costs.cold_start --check
	@$(DEV) docs/generator/generate.py --check
	@$(MAKE) site > .build/site.log 2>&1 || { cat .build/site.log >&2; exit 1; }

fmt: .envs/dev/.done .envs/js/.done ## format the code and apply the linter's safe fixes
	@$(DEV) -m ruff check --quiet --fix $(sources) || true
	@$(DEV) -m ruff format --quiet $(sources)
	@$(BIOME) check --write --log-level=error $(scripts) > /dev/null 2>&1 || true

docs: .envs/dev/.done ## write the files and sections that are generated from the code
	@$(DEV) docs/generator/generate.py

site: .envs/docs/.done ## build the documentation as a website into .build/site
	@.envs/docs/bin/zensical build --clean --strict --config-file mkdocs.yml

.PHONY: screenshots
screenshots: $(stack) .envs/dev/.done .envs/browser/.done ## take the console's pictures in docs (needs Chromium)
	@PYTHONPATH=.:shared $(DEV) -m tests.deployed.screenshots

# ------------------------------------------------------------------ build and deploy

.PHONY: build smoke lock clean
build: .envs/sam/.done ## build the functions for AWS (then: sam deploy --guided)
	@$(SAM) build --parallel

smoke: ## prove that a deployment works: make smoke BASE=https://… TOKEN=…
	@BASE="$(BASE)" TOKEN="$(TOKEN)" $(PYTHON) -m local.smoke

# `sam deploy --guided` writes into samconfig.toml: git overlooks the copy, so no commit holds an answer. Without git, or while
# the build of another function holds its lock, nothing happens. `git update-index --no-skip-worktree` takes it back.
.PHONY: answers-stay
answers-stay:
	@git update-index --skip-worktree samconfig.toml 2>/dev/null || true

# `sam build` calls this for each function and for the layer, by its name in template.yaml: build-Start, build-Shared.
build-%: .envs/uv/.done
	@$(MAKE) --no-print-directory answers-stay
	@$(PYTHON) -m local.build $* "$(ARTIFACTS_DIR)"

lock: .envs/uv/.done ## pin the requirements again; UPGRADE=--upgrade takes the newest versions they allow
	@for group in $(groups); do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) \
	    requirements/$$group.in -o requirements/$$group.txt || exit 1; \
	done
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" $(UPGRADE) -c requirements/step.txt \
	  agents/requirements.in -o agents/requirements.txt

clean: ## remove the environments, builds and caches; the local state in .state stays
	@rm -rf .envs .build .cache .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------ environments

.envs/uv/.done: requirements/uv.txt
	@PYTHON="$(PYTHON)" local/setup.sh uv

.envs/bare/.done: .envs/uv/.done
	@local/setup.sh bare

.envs/cli/.done: requirements/cli.txt .envs/uv/.done $(shell find clients/python -name '*.py' -o -name '*.toml' -o -name '*.md')
	@local/setup.sh cli

# What your agents import, their tests and type checks import as well.
.envs/dev/.done: agents/requirements.txt

.envs/%/.done: requirements/%.txt .envs/uv/.done
	@local/setup.sh $*

.envs/%/.done: requirements/%/package.json requirements/%/package-lock.json
	@local/setup.sh $*

# The checks need it, so a machine without it cannot check: unlike the packages at the end of this file, it is not left out.
.envs/js/.done: requirements/js/package.json requirements/js/package-lock.json
	@command -v npm > /dev/null || { echo "outlive: npm is not here, and the JavaScript is checked with Biome; install Node.js 20 or newer with npm" >&2; exit 1; }
	@echo "outlive: setting up js" >&2
	@rm -rf .envs/js && mkdir -p .envs/js
	@cp $^ .envs/js
	@cd .envs/js && npm ci --ignore-scripts --no-audit --no-fund --loglevel error > /dev/null || { echo "outlive: the packages of requirements/js could not be installed; is the package registry within reach?" >&2; exit 1; }
	@touch $@

# ------------------------------------------------------------------ measure

.PHONY: bench
bench: $(stack) .envs/dev/.done ## measure cost, cold starts, overhead and recovery, and write the pages in docs (half an hour)
	@PYTHONPATH=shared $(DEV) -m bench $(ARGS)

# ------------------------------------------------------------------ prove

.PHONY: prove prove-mutants prove-stories replay
prove: .envs/dev/.done ## explore every order and every fault of each scene (10 minutes; ARGS=--short: one fault a path)
	@PYTHONPATH=.:shared $(DEV) -m proof.scenes.prove $(ARGS)

prove-mutants: .envs/dev/.done ## remove each guard in turn, reorder writes, and require the proof to fail (2 minutes)
	@PYTHONPATH=.:shared $(DEV) -m proof.mutants.mutate $(ARGS)

prove-stories: .envs/dev/.done ## compare the handlers with a plain model over long generated stories (STORIES=2000)
	@STORIES=$(or $(STORIES),2000) $(DEV) -m pytest -q -p no:cacheprovider tests/proof/test_stateful.py $(ARGS)

replay: .envs/dev/.done ## replay one script of the proof: make replay SCRIPT='claim-stop lost 1: s; ...'
	@PYTHONPATH=.:shared $(DEV) -m proof.scenes.prove --replay '$(SCRIPT)'

# ------------------------------------------------------------------ stress

.PHONY: races soak fuzz
races: $(stack) .envs/dev/.done .envs/dynamodb-local/.done ## race 32 threads and 8 processes on DynamoDB Local and MiniStack (up to 17 minutes)
	@PYTHONPATH=.:shared $(DEV) -m proof.stress.races $(ARGS)

soak: $(stack) .envs/dev/.done ## play 200 scripted runs while workers and the stack are killed (5 minutes)
	@PYTHONPATH=.:shared $(DEV) -m proof.stress.soak $(ARGS)

fuzz: $(stack) .envs/dev/.done .envs/fuzz/.done ## send requests generated from the API document to the local stack (6 minutes)
	@PYTHONPATH=.:shared $(DEV) -m proof.stress.fuzz $(ARGS)
