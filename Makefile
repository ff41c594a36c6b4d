# Nothing is needed before these but make and a Python >= 3.12 somewhere; .venv is made on first use.
# Hand options on with ARGS: make demo ARGS=--exit, make test ARGS="-k redaction -x".

PYTHON := .venv/bin/python
ARGS ?=
# Most tests wait for processes and sockets: three times as many workers as there are cores.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3)

.PHONY: help demo test test-system proof proof-beside proof-alone lint bench profile soak conformance docs site pages advisories chromium
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready ## a CSMS, the proxy, a charge point page and Datasette, with three recorded sessions to look at
	@$(PYTHON) -m inspector demo $(ARGS)

# Where nothing compiled may be kept, each of some hundred processes compiles what it imports anew.
test test-system proof-beside proof-alone: export PYTHONDONTWRITEBYTECODE :=

# pytest compiles the tests on their first run: once here is faster than once in each worker.
test: .venv/ready-dev ## the fast suite, in parallel; needs neither Chromium nor npm
	@test -d tests/__pycache__ || $(PYTHON) -m pytest --collect-only -qq > /dev/null
	@$(PYTHON) -m pytest -m "not long and not system" -n $(WORKERS) --dist worksteal $(ARGS)

test-system: .venv/ready-dev chromium ## the tests with Chromium, npm packages and many real processes
	@$(PYTHON) -m pytest -m "system and not long" -n $(WORKERS) --dist worksteal $(ARGS)

proof: ## the long proofs, and all examples of hypothesis; those that measure time or memory run alone, after the others
	@$(MAKE) --no-print-directory --keep-going --jobs=1 proof-beside proof-alone

# pytest exits with 5 when ARGS leaves nothing to run in one of the two.
proof-beside: .venv/ready-dev chromium
	@HYPOTHESIS_EXAMPLES=all $(PYTHON) -m pytest -m "(long or hypothesis) and not alone" -n $(WORKERS) --dist worksteal $(ARGS) || test $$? = 5

proof-alone: .venv/ready-dev chromium
	@$(PYTHON) -m pytest -m "long and alone" $(ARGS) || test $$? = 5

lint: .venv/ready-dev ## ruff, mypy --strict, the layers, and the page's types where TypeScript is installed
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo
	@sh tools/check-pages.sh

bench: .venv/ready-dev ## what relaying and recording cost, measured beside others in one run
	@$(PYTHON) -m bench.judging
	@$(PYTHON) -m bench.importing
	@$(PYTHON) -m bench $(ARGS)
	@$(PYTHON) -m bench.shadows $(filter --quick,$(ARGS))

profile: .venv/ready-dev ## what each step from the socket to the disk costs a frame, sampled under load
	@$(PYTHON) -m bench.ledger $(ARGS)

soak: .venv/ready-dev ## half an hour of mixed load; nothing may be lost, grown or left open
	@SOAK_SECONDS=1800 MIXED_SECONDS=600 $(PYTHON) -m pytest -s -m long tests/proxy -k mixed_load $(ARGS)

conformance: .venv/ready-dev ## Autobahn's fuzzing client through the proxy, where there is a Python 2.7 for it
	@sh tools/make-wstest.sh
	@$(PYTHON) -m tests.proxy.conformance

docs: .venv/ready-dev ## write docs/commands.md, docs/schema.md, docs/rules/ and the tables of actions again from the code
	@$(PYTHON) -m tools.command_page
	@$(PYTHON) -m tools.schema_page
	@$(PYTHON) -m tools.rule_pages
	@$(PYTHON) -m csms.coverage > docs/csms-actions.md
	@$(PYTHON) -m simulator.coverage > docs/charge-point-actions.md

# MkDocs says that Material has a successor at every start; `docs/releasing.md` says when to look at it.
site: export NO_MKDOCS_2_WARNING := 1
site: .venv/ready-dev ## build the documentation as a site in build/site; open its index.html
	@$(PYTHON) -m mkdocs --quiet build --strict
	@$(PYTHON) -m tools.site_check build/site
	@echo "build/site/index.html"

pages: .venv/ready-dev ## copy shared_page/ into the packages that serve pages
	@$(PYTHON) -m tools.shared_pages

advisories: .venv/ready-dev ## check floors and pins against known advisories, before each release
	@$(PYTHON) -m tools.advisories

chromium: .venv/ready-dev
	@$(PYTHON) -m tests.chromium

# An interpreter that is gone (an upgraded system, a moved folder) takes its .venv with it.
ifeq ($(shell .venv/bin/python -c 'print("runs")' 2>/dev/null),)
$(shell rm -f .venv/ready .venv/ready-dev)
endif

.venv/ready: pyproject.toml constraints.txt
	@sh tools/make-venv.sh .
	@touch $@

.venv/ready-dev: .venv/ready
	@sh tools/make-venv.sh '.[dev]'
	@touch $@
