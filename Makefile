# Two commands matter: `make demo` and `make test`. Each installs or starts whatever it needs.
.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test test-newest lint oracles conformance fuzz bench dist

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: ## deploy, refuse a bad release, roll back; cleaned up by demo-clean
	@scripts/demo.sh

demo-clean: ## remove what the demo made
	@scripts/demo.sh clean

test: ## everything, with a real Docker Engine (the oldest supported)
	@scripts/test.sh oldest

test-newest: ## the integration suites against the newest Docker Engine
	@scripts/test.sh newest

lint: ## format, clippy, shell scripts
	@scripts/test.sh lint

oracles: ## compare the Compose corpus with the live reference
	@scripts/oracles.sh compare

conformance: ## the MCP server and the bridge against the official conformance suite
	@scripts/conformance.sh
	@scripts/bridge-conformance.sh

fuzz: ## every parser for a minute; FUZZ_SECONDS names another time
	@scripts/fuzz.sh

bench: ## figures, as ratios measured in one run
	@scripts/bench.sh
	@scripts/bench-bridge.sh
	@scripts/bench-gateway.sh
	@scripts/bench-audit.sh
	@scripts/bench-upgrade.sh

dist: ## the static binary as it is released
	@scripts/dist.sh
