# Every command a developer or CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

TABLE := LEVEL1_SOILMET_30MIN

.PHONY: help test check fmt clippy docs deny bench torture torture-short fuzz demo test-servers install-tools

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: test-servers ## prove the promise: install what the tests use, then run them all (minutes)
	cargo test --workspace

check: fmt clippy docs test deny ## all that CI asks of a change: format, lints, docs, tests, dependencies

fmt: ## refuse unformatted code
	cargo fmt --all --check

clippy: ## refuse code with lints
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTFLAGS="-D warnings" cargo check --lib --bins --no-default-features

docs: ## build the documentation; a broken link is an error
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# The advisories are left out only where their database cannot be reached, and that is said.
deny: ## check licences, sources and advisories of all dependencies, if cargo-deny is there
	@if ! command -v cargo-deny >/dev/null; then \
	  echo "cargo-deny is not installed: dependencies not checked (make install-tools)"; \
	else \
	  cargo-deny check bans licenses sources; \
	  if cargo-deny fetch db 2>/dev/null; then cargo-deny check advisories; \
	  else echo "the advisory database cannot be reached: advisories not checked"; fi; \
	fi

bench: test-servers ## measure: commits, rows per second, stages, limits
	cargo bench -p livecosmos-state --bench commit
	cargo bench --bench upload
	cargo bench --bench databases

torture: test-servers ## kill, cut and race it for a long time (release build, the tests marked 'ignore')
	cargo test --release --test exactly_once -- --ignored --nocapture --test-threads=1
	cargo test --release --test postgres --test mariadb -- --ignored --nocapture --test-threads=1
	cargo test --release --test http_endpoint --test mqtt --test outages -- --ignored --nocapture
	cargo test --release --test model -- --ignored --nocapture
	cargo test --release --test s3_faults -- --ignored --nocapture
	cargo test --release --test machine -- --ignored --nocapture --test-threads=3
	cargo test --release --test syscalls -- --ignored --nocapture

torture-short: export LIVECOSMOS_KILLS = 100
torture-short: export LIVECOSMOS_HISTORIES = 3000
torture-short: export LIVECOSMOS_POWER_CUTS = 20
torture-short: export LIVECOSMOS_FULL_DISKS = 8
torture-short: export LIVECOSMOS_STOPS = 8
torture-short: export LIVECOSMOS_SWEEP_CASES = 500
torture-short: test-servers ## a little of each of these, with the tests as `make test` built them (minutes)
	cargo test --test exactly_once --test http_endpoint --test model --test machine --test syscalls -- --ignored
	LIVECOSMOS_KILLS=20 cargo test --test postgres --test mariadb -- --ignored killed::
	LIVECOSMOS_KILLS=30 cargo test --test mqtt -- --ignored

fuzz: ## try inputs that nobody would write, FUZZ_SECONDS (60) on each reader
	@fuzz/run

demo: ## send the sample table to a folder once and show what landed
	cargo run --release -- config.example.toml $(TABLE) --once
	cargo run --release --quiet -- state show config.example.toml
	find demo -type f -not -path "*/.livecosmos/*" -printf "%s bytes  %p\n" | sort -k3

test-servers: ## install the S3 servers of the tests (minutes once, then nothing)
	@tests/support/install

install-tools: ## install cargo-deny, which 'make check' uses (three minutes)
	cargo install cargo-deny --locked
