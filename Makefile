# Everything that people and CI do with this checkout. GNU make 4.3 or newer.

# One phase after the other, also with -j: the two cores of a small machine are
# busy with each of them, and mixed output helps nobody.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo recording test bench check build debug sandbox dist release tagged publish plugin format clippy docs packaging gofmt

phase = @echo; echo "== $(1)"

help:
	@echo "make demo      scale a sample release from 1 to 3 query nodes and back"
	@echo "                 CHART=path   with another chart than the sample"
	@echo "                 HELM=3       with Helm 3 instead of Helm 4"
	@echo "make test      everything that must hold: check, then all tests on a real control plane"
	@echo "make check     formatting, lints, documentation, packaging; no cluster"
	@echo "make bench     compare with bare helm and kubectl"
	@echo "make recording   draw docs/demo.svg, the picture of the README, from a run of the demo"
	@echo "make build     target/release/kubectl-milvus"
	@echo "make plugin    target/plugin/milvus, a folder for helm plugin install"
	@echo "make dist      dist/: archives for every system that this Rust can build for, and krew's manifest"
	@echo "make release   the same for all five systems, or an error; adds what is missing with rustup"
	@echo "make sandbox   build the control plane for tests and demo; ten minutes the first time"

demo: debug sandbox
	@sandbox/demo

recording: debug sandbox
	$(call phase,recording: docs/demo.svg)
	@sandbox/sandbox run -- cargo test --locked --test e2e -- --ignored recording::

test: check sandbox
	$(call phase,test: build)
	@cargo test --locked --no-run
	$(call phase,test: run)
	@RUST_TEST_THREADS=2 sandbox/sandbox run -- tests/slowest cargo test --locked

bench: build sandbox
	$(call phase,bench)
	@sandbox/sandbox run -- scripts/bench

check: format clippy docs packaging gofmt
	@echo "check: done"

build:
	$(call phase,build: release)
	@cargo build --locked --release

# The tests that `make check` runs on archives of a test build, on the real ones.
dist:
	$(call phase,build: archives)
	@scripts/dist
	$(call phase,check: archives and manifests)
	@DIST=dist cargo test --locked --quiet --test packaging

release:
	$(call phase,build: archives)
	@scripts/dist --all
	$(call phase,check: archives and manifests)
	@DIST=dist cargo test --locked --quiet --test packaging

# The two below are for .github/workflows/release.yml.
tagged:
	@scripts/publish --check

publish:
	@scripts/publish

plugin: build
	$(call phase,build: folder for helm plugin install)
	@rm -rf target/plugin && mkdir -p target/plugin/milvus
	@tar -xzf "$$(scripts/package host target/release/kubectl-milvus target/plugin)" -C target/plugin/milvus
	@echo target/plugin/milvus

debug:
	$(call phase,build: kubectl-milvus)
	@cargo build --locked

sandbox:
	$(call phase,build: sandbox)
	@sandbox/sandbox build >/dev/null && echo "ready"

format:
	$(call phase,check: formatting (cargo fmt))
	@scripts/with-component rustfmt cargo fmt --check -- --files-with-diff

clippy:
	$(call phase,check: lints (cargo clippy))
	@scripts/with-component clippy cargo clippy --locked --all-targets -- --deny warnings

docs:
	$(call phase,check: documentation)
	@RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items

packaging:
	$(call phase,check: archives and manifests)
	@cargo test --locked --quiet --test packaging

gofmt:
	$(call phase,check: sandbox sources)
	@unformatted=$$(gofmt -l sandbox) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	@cd sandbox/runner && GOWORK=off GOFLAGS= go vet .
