# haltdrill: `make drill` to see it, `make test` to check it.
# Needs python3 (3.11 or later) with venv, and make. Everything else comes from the hash-pinned locks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKS := deploy/locks
# Debian packages that the tests need; installed by `make test` where it runs as root.
DEBIAN_PACKAGES := chromium iproute2 lnav mosquitto postgresql prometheus systemd tmux
# Passed on: `make drill ARGS=--lying-site`, `make test PYTEST_ARGS='-k wire'`.
ARGS ?=
PYTEST_ARGS ?=
FUZZ_ARGS = $(if $(ARGS),$(ARGS),--all --seconds 300)
JOBS ?= 2

.PHONY: sim mutants kills help drill test lint format bench fuzz locks system-packages clean

help:
	@echo "make drill   run the demo (ARGS=--lying-site for the one that fails)"
	@echo "make test    install what the tests need, then lint, types, layers and all tests"
	@echo "make lint    lint, types and layers only"
	@echo "make bench   the benchmarks"
	@echo "make sim     whole drills in simulated bad weather (ARGS='--seeds 1000', ARGS='--seed 7')"
	@echo "make mutants plant bugs one at a time, and see the simulation find each"
	@echo "make kills   SIGKILL at random moments to every program of real drills (ARGS='--kills 200 --seed 7')"
	@echo "make fuzz    hostile bytes at every way in (ARGS='--all --seconds 600')"
	@echo "make clean   remove the environment and what the tools leave"

drill: $(VENV)/run.stamp
	$(BIN)/haltdrill demo $(ARGS)

test: $(VENV)/test.stamp system-packages lint
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/test.stamp system-packages
	$(BIN)/python -m tests.benchmarks $(ARGS)

fuzz: $(VENV)/fuzz.stamp
	$(BIN)/python -m tests.hostile.fuzz $(FUZZ_ARGS)

sim: $(VENV)/test.stamp
	$(BIN)/python -m tests.simulation $(ARGS)

mutants: $(VENV)/test.stamp
	$(BIN)/python -m tests.simulation.mutants $(ARGS)

kills: $(VENV)/test.stamp system-packages
	$(BIN)/python -m tests.e2e.kills $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(LOCKS)/run.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r $(LOCKS)/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: $(LOCKS)/test.txt $(VENV)/run.stamp
	$(PIP) install --require-hashes -r $(LOCKS)/test.txt
	@touch $@

# Where there is no wheel of atheris, the fuzzer says that it goes on without being guided.
$(VENV)/fuzz.stamp: $(LOCKS)/fuzz.txt $(VENV)/test.stamp
	-$(PIP) install --require-hashes --only-binary atheris -r $(LOCKS)/fuzz.txt
	@touch $@

# Best effort: a test whose component is missing says so aloud, and fails where .ci/run runs it.
system-packages:
	@missing=""; for package in $(DEBIAN_PACKAGES); do \
	  dpkg -s "$$package" >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "installing$$missing"; \
	  apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "not installed:$$missing (tests that need them will be skipped)"; \
	fi

# For maintainers, with uv at hand: resolve anew for every platform and Python that is supported.
UV ?= uv
COMPILE := $(UV) pip compile pyproject.toml $(LOCKS)/build.in --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet
locks:
	$(COMPILE) --extra orchestrator --extra watch --extra web --extra metrics -o $(LOCKS)/run.txt
	$(COMPILE) --extra test -c $(LOCKS)/run.txt -o $(LOCKS)/test.txt
	$(COMPILE) --extra fuzz -c $(LOCKS)/test.txt -o $(LOCKS)/fuzz.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
