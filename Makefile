# Two commands are enough: `make run` and `make test`. Each installs what it needs first.
PYTHON ?= python3
ARGS ?=

.PHONY: run test check bench

run: ## install, start PostgreSQL and Valkey, migrate, load the demo, serve web, worker and beat
	@exec $(PYTHON) config/bootstrap.py run

test: ## install the tools, find a browser, run every test (ARGS="tests/audit -k chain" narrows it)
	@$(PYTHON) config/bootstrap.py test $(ARGS)

check: ## format, lint, types, import contracts, migrations, deploy check
	@$(PYTHON) config/bootstrap.py check

bench: ## print ratios against raw references (ARGS=ingest for one program)
	@$(PYTHON) config/bootstrap.py bench $(ARGS)
