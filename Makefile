# Every target runs in a fresh clone. The only executable is target/release/swarmlog.
.DEFAULT_GOAL := help
.PHONY: help run up down test faults check bench fmt chdb schemas

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, start the server, train a sweep of real models, stay up until Ctrl-C
	@bash infra/run.sh

up: ## Start Kafka, PostgreSQL, S3 and the ClickHouse engine in .local, without docker
	@bash infra/chdb/fetch.sh
	@cargo build --locked --quiet -p swarmlog
	@cargo run --locked --quiet -p swarmlog-local --example local -- up .local

down: ## Stop them; their data stays in .local
	@cargo run --locked --quiet -p swarmlog-local --example local -- down .local

test: ## Run every test, on the real engines
	@bash infra/chdb/fetch.sh
	@bash tests/tools.sh
	cargo build --locked --workspace --bins
	cargo test --locked --workspace

faults: ## Make every fault as often as tests/README.md says; a table, and JSON on stdout
	@bash infra/chdb/fetch.sh
	@bash tests/tools.sh
	cargo build --locked --workspace --bins --example local
	@cargo run --locked --quiet -p swarmlog-tests --example faults

check: ## Lints, formatting and the schema gate
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo build --locked --workspace --bins
	@"$${CARGO_TARGET_DIR:-target}/debug/swarmlog" schemas check

bench: ## Measure both modes on an idle machine; JSON on stdout
	@bash infra/chdb/fetch.sh
	cargo build --locked --release -p swarmlog -p swarmlog-local --bins --example local
	cargo bench --locked -p swarmlog-bench --bench figures
	cargo bench --locked -p swarmlog-bench --bench figures -- --servers

fmt: ## Format the code
	cargo fmt --all

chdb: ## Fetch the ClickHouse engine once (npm, exact version, checked by sha256)
	@bash infra/chdb/fetch.sh

schemas: ## Lock new schemas and lawful changes of old ones
	cargo run --locked --quiet -p swarmlog-schemas-gate --example lock
