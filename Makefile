# Everything runs from .venv, which `setup` makes from the locked requirements.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo local package wheel bench load cost sweeps deploy-check simulate mutations fuzz chaos test test-clients verify-pulumi check format lock clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml aigc_cli/bootstrap.py
	$(PYTHON) aigc_cli/bootstrap.py

demo: setup
	$(BIN)/aigc demo

local: setup
	$(BIN)/aigc local

package: setup
	$(BIN)/aigc package

# Before the first `pulumi up` of a stack; needs the account's credentials and the Pulumi CLI.
deploy-check: setup
	$(BIN)/aigc doctor --before-deploy --stack $(or $(STACK),dev) $(ARGS)

# For users of a deployment, who do not need this folder.
wheel: setup
	$(BIN)/python -m hatchling build -t wheel -d dist

bench: setup
	$(BIN)/python -m benchmarks.bench $(ARGS)

load: setup
	$(BIN)/python -m benchmarks.load --page docs/benchmarks.md $(ARGS)

cost: setup
	$(BIN)/python -m benchmarks.cost --write

sweeps: setup
	$(BIN)/python -m benchmarks.sweeps --write $(ARGS)

# For a time, or for SEEDS storms of each weather; ARGS="--help" says what else.
simulate: setup
	$(BIN)/python -m tests.simulation --seconds $(or $(SECONDS),300) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

mutations: setup
	$(BIN)/python -m tests.simulation --mutations --write $(ARGS)

# As many requests for each operation of the OpenAPI document as EXAMPLES says, and twenty times
# as many inputs for each test whose inputs are generated.
fuzz: setup
	EXAMPLES=$(or $(EXAMPLES),50) $(BIN)/pytest --timeout 3600 -m "generated or hypothesis"

# SEED=2 draws other calls, uploads and faults; JOBS=200 takes less long; ARGS=--burst is a burst.
# Without these, the tests that have a small size in `make test` run at their full size, too.
chaos: setup
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)
	$(if $(SEED)$(JOBS)$(ARGS),,FULL_SIZE=1 $(BIN)/pytest --timeout 3600 -m sized)

# Python starts some hundred times: without its bytecode cache, each start would compile all code.
test: export PYTHONDONTWRITEBYTECODE =
test: setup
	$(BIN)/pytest --numprocesses 6 --dist loadfile -rs

# Needs the internet, Node.js with npm, and Go; says what it could not install.
# ARGS=--write-table writes the versions and what passed into docs/localcloud.md.
test-clients: setup
	$(BIN)/pytest tests/clients -rs $(ARGS)

# Pulumi's own engine and the real provider, against the local cloud: half an hour. Needs on PATH
# pulumi, its pulumi-language-python, and pulumi-resource-tencentcloud 0.2.3.
verify-pulumi: setup
	AIGC_VERIFY_PULUMI=1 $(BIN)/pytest tests/localcloud/test_control_plane_pulumi.py -v -rs

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/aigc rules check
	$(BIN)/aigc prices
	$(BIN)/python -m aigc_cli.front_end check

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Needs uv; writes hashes of every file of every platform, and no index.
lock:
	uv pip compile pyproject.toml --group functions --group infra --group local --group test \
		--group check --group build --universal --python-version 3.10 --generate-hashes \
		--quiet --no-header --no-annotate --no-emit-index-url --output-file requirements.lock
	uv pip compile --group functions --constraint requirements.lock --generate-hashes \
		--python-version 3.10 --python-platform x86_64-manylinux2014 \
		--no-emit-package crcmod --no-emit-package pycryptodome \
		--quiet --no-header --no-annotate --no-emit-index-url --output-file requirements-functions.lock

clean:
	rm -rf .venv .clients dist demo-results .mypy_cache .pytest_cache .ruff_cache .hypothesis
