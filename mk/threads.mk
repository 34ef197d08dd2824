# Every thread, in every wait; no way back; arguments nobody should pass; the tools that watch a process.
OUTSIDE += arguments
TEST_VERSION := -DEC_TEST_VERSION='"$(VERSION)"'
build/outside/arguments.o: CFLAGS += $(TEST_VERSION)
# It steps through its first calls, which are not to be looked up by then.
build/outside/arguments: LDLIBS += -Wl,-z,now
LIMIT_arguments := 300

OUTSIDE += thread_stress
LIMIT_thread_stress := 600

OUTSIDE += no_regain
check-needs: build/outside/print_creds
build/outside/print_creds: tests/outside/print_creds.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -o $@ $<

# libpsx(3): its pthread_create has to be the one that is called, or it does not know the threads.
OUTSIDE += speed_vs_libpsx
LIMIT_speed_vs_libpsx := 300
build/outside/speed_vs_libpsx: LDLIBS += -Wl,-Bstatic -lcap -lpsx -Wl,-Bdynamic -Wl,-wrap,pthread_create

# --- tools that watch a process -----------------------------------------------------------------------------------------

# libc6-dbg: valgrind needs the symbols of the loader.
DEBIAN_PACKAGES += valgrind libc6-dbg
CHECKS += tests/memory.sh@900

SANITIZE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Not check: it denies mmap(2), which the sanitizers need as well.
SANITIZED := arguments drop no_regain policy chroot ambient print_creds
check-needs: $(addprefix build/asan/,$(SANITIZED))

build/asan/%.o: tests/outside/%.c $(OUTSIDE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) -c -o $@ $<

build/asan/arguments.o: CFLAGS += $(TEST_VERSION)

build/asan/%: build/asan/%.o $$(call objects_of,build/asan,$$*) build/libec_security.so
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) -o $@ $(filter %.o,$^) -Lbuild -Wl,-rpath,'$$ORIGIN/..' -lec_security

# What others execute is no subject here.
build/asan/print_creds build/asan-rust/print_creds: build/outside/print_creds
	@mkdir -p $(@D)
	cp $< $@

# The Rust side instrumented as well, which takes a nightly.
.PHONY: check-asan asan-rust check-tsan check-miri
NIGHTLY ?= nightly
HOST = $$($(CARGO) +$(NIGHTLY) -vV | sed -n 's/^host: //p')
ASAN_LIB = $(firstword $(wildcard build/cargo-asan/*/c-library/libec_security.a))

check-asan: ## long tests: the tests under AddressSanitizer; needs a nightly Rust
	@tests/packages $(DEBIAN_PACKAGES)
	@$(CARGO) +$(NIGHTLY) --version >/dev/null 2>&1 || { \
	    echo "check-asan needs a nightly Rust, for -Zsanitizer=address: rustup toolchain install nightly" >&2; exit 1; }
	@mkdir -p build
	RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" $(CARGO) +$(NIGHTLY) rustc --quiet --locked \
	    --profile c-library --no-default-features --features capi --lib --crate-type staticlib --target-dir build/cargo-asan \
	    --target $(HOST)
	@$(MAKE) --no-print-directory asan-rust
	@SANITIZED=build/asan-rust tests/as-root tests/run tests/memory.sh@900

asan-rust: $(addprefix build/asan-rust/,$(SANITIZED)) ## internal: what `make check-asan` runs

build/asan-rust/%: build/asan/%.o $$(call objects_of,build/asan,$$*) FORCE
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) -o $@ $(filter %.o,$^) $(ASAN_LIB)

# Data races. The part of the standard library that is used has to be built anew, with the sanitizer, whose runtime is Rust's:
# gcc's lacks some of what that calls. Not symbolized, since a report is made where no other process can be started: of
# "(races+0x4cf9a)", `addr2line -fie build/tsan/races 0x4cf9a` says where that is.
TSAN_LIB = $(firstword $(wildcard build/cargo-tsan/*/c-library/libec_security.a))
TSAN_RUNTIME = $(firstword $(wildcard $(shell rustc +$(NIGHTLY) --print sysroot)/lib/rustlib/*/lib/librustc-*_rt.tsan.a))

check-tsan: ## long tests: the tests under ThreadSanitizer; needs a nightly Rust
	@tests/packages gcc libc6-dev python3 util-linux
	@$(CARGO) +$(NIGHTLY) --version >/dev/null 2>&1 || { \
	    echo "check-tsan needs a nightly Rust: rustup toolchain install nightly --component rust-src" >&2; exit 1; }
	@mkdir -p build
	RUSTFLAGS="-Zsanitizer=thread -Cforce-frame-pointers=yes" $(CARGO) +$(NIGHTLY) rustc --quiet --locked \
	    -Zbuild-std=core,alloc --profile c-library --no-default-features --features capi --lib --crate-type staticlib \
	    --target-dir build/cargo-tsan --target $(HOST)
	@$(MAKE) --no-print-directory build/tsan/races
	@TSAN_OPTIONS=halt_on_error=1:symbolize=0 tests/as-root tests/run build/tsan/races@200

build/tsan/%.o: tests/outside/%.c $(OUTSIDE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -O1 -fsanitize=thread -fno-omit-frame-pointer -c -o $@ $<

# -rdynamic: the runtime's functions must be found before the C library's.
build/tsan/%: build/tsan/%.o $$(call objects_of,build/tsan,$$*) FORCE
	$(CC) -pthread -rdynamic -o $@ $(filter %.o,$^) $(TSAN_LIB) \
	    -Wl,--whole-archive $(TSAN_RUNTIME) -Wl,--no-whole-archive -ldl -lrt -lm -lresolv

check-miri: ## long tests: the pure parts under Miri; needs a nightly Rust
	@NIGHTLY=$(NIGHTLY) tests/run tests/miri.cargo@3600
