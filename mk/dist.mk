# `make dist`: the sources of a release, in build/: packaging/make-dist. `make check-dist`: whether they, and the library made of
# them, are the same from two places, and whether they build, pass and install without network. `make check-oldest-rust`: whether
# they build, without a warning, with the Rust that Cargo.toml names as the oldest; without touching what is built here.

.PHONY: dist check-dist check-oldest-rust

dist: ## release: build/ec_security-VERSION.tar.xz, which needs no network
	@packaging/make-dist

check-dist: dist ## release: that tarball, made, built, tried and installed in two places
	@tests/packages gcc libc6-dev libcap-dev pkg-config python3 util-linux binutils cmake meson ninja-build xz-utils
	@tests/run tests/dist.sh@1800

OLDEST_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1.0/p' Cargo.toml)
OLDEST_CARGO = RUSTFLAGS=-Dwarnings $(CARGO) +$(OLDEST_RUST)

check-oldest-rust: ## release: it builds with the oldest Rust that Cargo.toml names; needs rustup
	@$(CARGO) +$(OLDEST_RUST) --version >/dev/null 2>&1 || { \
	    echo "check-oldest-rust needs Rust $(OLDEST_RUST): rustup toolchain install $(OLDEST_RUST) --profile minimal" >&2; exit 1; }
	$(OLDEST_CARGO) build --quiet --locked --release --target-dir build/cargo-oldest
	$(OLDEST_CARGO) rustc --quiet --locked --profile c-library --no-default-features --features capi --lib \
	    --crate-type staticlib --target-dir build/cargo-oldest
