# libec_security. First time here: `make demo`, then `make check`.
#
#   make             build/libec_security.so and .a, the header, the pkg-config file, the command ec-security
#   make install     PREFIX= DESTDIR= LIBDIR= …: header, libraries, ec_security.pc, command, man pages, completions
#   make install-strip  the same, stripped of symbols and debug information
#   make uninstall   takes all that away again
#   make demo        a threaded server drops its privileges and prints each thread before and after
#   make check       every test; ends with "N passed, N failed, N skipped"
#   make check-quick  nine of them, in less than a minute
#   make dist        build/ec_security-VERSION.tar.xz, a release that needs no network; make check-dist tries it
#   make check-asan check-tsan check-miri  the Rust side watched by sanitizers and Miri; needs a nightly compiler
#   make fuzz        SECONDS=600: the fuzzers of mk/tool.mk; needs a nightly compiler and cargo-fuzz
#   make check-runtimes  the library in scripting runtimes, while their threads are busy
#   make check-kernels   the core tests under kernels of Debian's, in qemu: some minutes each
#   make check-arch ARCH=arm64  the core tests on other architectures, in qemu, and with musl; see docs/architectures.md;
#                    make check-arch-quick: what differs most, on arm64; make mutants-arch: twelve defects, each on its architecture
#   make check-surroundings  drops in containers, units, sandboxes, under security modules: docs/surroundings.md
#   make mutants     every change cargo-mutants knows of, in fourteen files; make mutants-hand, defects by hand in what acts
#   make check-daemons   servers of Debian's source packages with this library in place of their own drop
#   make header      rewrites include/ec_security.h from src/capi/
#   make clean
#
# Each theme has its own file under mk/, which may add targets and hook programs into `make check`: see mk/README.

# The default goal, whatever an included file defines first.
all:

# --- names and places ---------------------------------------------------------------------------------------------------

# One place holds the version: Cargo.toml.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Raised when, and only when, a program linked against the last release would no longer run.
SOVERSION := 0
SONAME := libec_security.so.$(SOVERSION)

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DESTDIR ?=

CARGO ?= cargo
INSTALL ?= install
# A cross compiler, `CC=aarch64-linux-gnu-gcc`, has its tools beside it by the same prefix.
CROSS := $(patsubst %gcc,%,$(filter %-gcc,$(firstword $(CC))))
STRIP ?= $(CROSS)strip
NM ?= $(CROSS)nm
OBJCOPY ?= $(CROSS)objcopy
ifeq ($(origin AR),default)
AR := $(CROSS)ar
endif
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
# Left alone when the caller sets them; the flags the code needs are in BASE_CFLAGS and BASE_CXXFLAGS.
CFLAGS ?= -O2 -g
CXXFLAGS ?= -O2 -g
# A warning is an error in a git clone only: a release is built by later compilers, which warn of more.
WERROR ?= $(if $(wildcard .git),-Werror)
BASE_CFLAGS := -std=gnu99 -Wall -Wextra -Wpedantic $(WERROR) -pthread -Iinclude
BASE_CXXFLAGS := -std=c++17 -Wall -Wextra -Wpedantic $(WERROR) -pthread -Iinclude

# Programs of `make check`, in order: PATH or PATH@SECONDS, where 120 is the limit of those that name none.
CHECKS := tests/lint.sh@600 tests/rust.cargo@900
# What they need from Debian; mk/THEME.mk adds to it.
DEBIAN_PACKAGES := gcc libc6-dev libcap-dev pkg-config python3 util-linux

# --- the library --------------------------------------------------------------------------------------------------------

# Builds for another machine: `make CC=aarch64-linux-gnu-gcc CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu`.
ifneq ($(CARGO_BUILD_TARGET),)
export CARGO_BUILD_TARGET
endif
CARGO_OUT := build/cargo$(if $(CARGO_BUILD_TARGET),/$(CARGO_BUILD_TARGET))

# The same bytes wherever the source lies: its path, and that of cargo's crates, are left out. Flags for Rust are separated by
# the character 31 here, since a path may hold spaces. They take the place of `rustflags` in cargo's configuration files.
empty :=
space := $(empty) $(empty)
SEPARATOR := $(shell printf '\037')
CARGO_HOME ?= $(HOME)/.cargo
RUST_FLAGS = $(or $(CARGO_ENCODED_RUSTFLAGS),$(subst $(space),$(SEPARATOR),$(strip $(RUSTFLAGS))))
RUST_REMAP = --remap-path-prefix=$(CARGO_HOME)=cargo$(SEPARATOR)--remap-path-prefix=$(CURDIR)=.
CARGO_ENVIRONMENT = CARGO_ENCODED_RUSTFLAGS='$(if $(RUST_FLAGS),$(RUST_FLAGS)$(SEPARATOR))$(RUST_REMAP)' \
    $(if $(CARGO_BUILD_TARGET),CARGO_TARGET_$(shell echo '$(CARGO_BUILD_TARGET)' | tr 'a-z-' 'A-Z_')_LINKER='$(CC)')

# Only the static library, by itself: together with an rlib rustc would leave the standard library out of the link-time
# optimization. A directory of its own, so that a plain `cargo build` does not overwrite it.
CARGO_LIB := $(CARGO_OUT)/c-library/libec_security.a

# Cargo knows best whether there is something to do, and leaves the file's time alone if not.
$(CARGO_LIB): FORCE
	@mkdir -p build
	$(CARGO_ENVIRONMENT) $(CARGO) rustc --quiet --locked --profile c-library --no-default-features --features capi --lib \
	    --crate-type staticlib --target-dir build/cargo

comma := ,

# The functions of the header: a prototype starts a line, while comments and macros do not look like one.
INTERFACE := $(shell sed -n 's/^[a-z][a-z_ ]*[ *]\(ec_security_[a-z_0-9]*\)[^a-z_0-9 ;].*/\1/p' include/ec_security.h)

# One object, in which nothing but the interface is global: a program that links another Rust library beside this one would
# get two definitions of rust_eh_personality and the like. --force-group-allocation: a comdat group of a local symbol would
# be thrown away for another library's group of the same name. --weaken-symbol: what src/pin.rs asks for if it is there; some linkers
# make it a must here.
build/libec_security.a: $(CARGO_LIB) include/ec_security.h Makefile
	@rm -f build/static.o $@
	@echo "$@: one object, the interface global, all else local"
	@$(CC) -r -nostdlib -o build/static.o -Wl,--gc-sections -Wl,--force-group-allocation \
	    $(addprefix -Wl$(comma)-u$(comma),$(INTERFACE)) $(CARGO_LIB)
	@$(OBJCOPY) $(addprefix --keep-global-symbol=,$(INTERFACE)) \
	    $(addprefix --weaken-symbol=,_DYNAMIC dlopen dladdr) build/static.o
	@$(AR) rcsD $@ build/static.o
	@rm -f build/static.o

# Linked by the C compiler, since rustc hands the linker a version script of its own, which leaves symbols unversioned.
# -u and --gc-sections: the interface, and what that needs; nothing else. With --whole-archive, an unwinder's helper in Debian's
# build of compiler_builtins would make the linker ask for libgcc_s, though nothing here unwinds a stack (tests/elf.sh).
# nodelete: dlclose must not unmap a signal handler.
build/$(SONAME): $(CARGO_LIB) ec_security.map include/ec_security.h
	$(CC) -shared -o $@ $(addprefix -Wl$(comma)-u$(comma),$(INTERFACE)) $(CARGO_LIB) \
	    -Wl,--version-script=ec_security.map -Wl,-soname,$(SONAME) -Wl,--no-undefined -Wl,--gc-sections -Wl,--as-needed \
	    -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack $(LDFLAGS) $(LIBS_PRIVATE)

# What the static library needs from the system, for ec_security.pc.
LIBS_PRIVATE := -pthread -Wl,-z,nodelete

build/libec_security.so: build/$(SONAME)
	ln -sf $(SONAME) $@

# --- programs of C that look from outside -------------------------------------------------------------------------------

# mk/THEME.mk says `OUTSIDE += name` for tests/outside/name.c, and, where wanted, `PARTS_name := name_a name_b` for more
# files of it, `build/outside/name: LDLIBS += -lcap` or `LIMIT_name := 300`.
OUTSIDE :=

# What every one of them is linked with.
HARNESS := outside.o outside_children.o outside_look.o outside_surroundings.o seccomp.o
OUTSIDE_HEADERS := $(wildcard tests/outside/*.h) include/ec_security.h
# objects_of DIRECTORY,PROGRAM
objects_of = $(addprefix $(1)/,$(addsuffix .o,$(2) $(PARTS_$(2))) $(HARNESS))

# PARTS_name is looked up when a program is made: mk/ is included later.
.SECONDEXPANSION:

build/outside/%.o: tests/outside/%.c $(OUTSIDE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -c -o $@ $<

build/outside/%: build/outside/%.o $$(call objects_of,build/outside,$$*) build/libec_security.so
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -o $@ $(filter %.o,$^) -Lbuild -Wl,-rpath,'$$ORIGIN/..' -lec_security $(LDLIBS)

.SECONDARY:

include $(sort $(wildcard mk/*.mk))

CHECKS += $(foreach name,$(OUTSIDE),build/outside/$(name)@$(or $(LIMIT_$(name)),120))

# --- the command --------------------------------------------------------------------------------------------------------

build/ec-security: FORCE
	@mkdir -p build
	$(CARGO_ENVIRONMENT) $(CARGO) rustc --quiet --locked --release --bin ec-security --target-dir build/cargo -- \
	    $(addprefix -Clink-arg=,$(LDFLAGS))
	@cmp -s $(CARGO_OUT)/release/ec-security $@ || cp $(CARGO_OUT)/release/ec-security $@

# --- targets ------------------------------------------------------------------------------------------------------------

.PHONY: all lib demo check test check-needs header help clean FORCE
FORCE:

lib: build/libec_security.so build/libec_security.a ## use: the libraries alone

all: lib build/ec-security ## use: the libraries, in build/, and the command ec-security
	@touch build/made

demo: build/demo ## use: a threaded server drops its privileges and prints each thread before and after
	@tests/as-root build/demo

build/demo: cbindings-tests/c/demo.c include/ec_security.h build/libec_security.so
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -o $@ $< -Lbuild -Wl,-rpath,'$$ORIGIN' -lec_security

# Packages first, so that the first line says what is missing, and not the hundredth of a compiler's output.
check: ## test: every test; ends with "N passed, N failed, N skipped"; tens of minutes
	@tests/packages $(DEBIAN_PACKAGES)
	@$(MAKE) --no-print-directory all check-needs
	@tests/as-root tests/run $(CHECKS)

test: check ## test: the same as `make check`

check-needs: $(addprefix build/outside/,$(OUTSIDE)) ## internal: what `make check` runs

# Under a minute, build included: whether a release does what it is for on this machine. For who only builds packages of it.
QUICK := drop policy check chroot ambient status identity no_regain
.PHONY: check-quick check-quick-needs
# For tests/docs.sh.
.PHONY: outside-names
outside-names: ## internal: the programs of C that look from outside
	@echo $(OUTSIDE)

check-quick: ## test: nine of the programs, in less than a minute with their build
	@tests/packages gcc libc6-dev libcap-dev python3 util-linux binutils
	@$(MAKE) --no-print-directory all check-quick-needs
	@tests/as-root tests/run tests/elf.sh $(addsuffix @120,$(addprefix build/outside/,$(QUICK)))

check-quick-needs: $(addprefix build/outside/,$(QUICK)) build/outside/print_creds ## internal: what `make check-quick` runs

# What stands behind "##" on a target's first line, as GROUP: TEXT. The group "internal" is for targets that nobody types.
help: ## use: this list
	@for group in use develop test 'long tests' measure release; do \
	    printf '%s\n' "$$group"; \
	    sed -n "s/^\([a-z-]*\):.* ## $$group: \(.*\)/\1:\2/p" $(MAKEFILE_LIST) | \
	        while IFS=: read -r target text; do printf '  %-22s %s\n' "$$target" "$$text"; done; \
	done

clean: ## use: takes away build/ and target/
	rm -rf build target

# The test that compares the committed header with a fresh one also writes it.
header: ## develop: writes include/ec_security.h from src/capi/
	EC_SECURITY_WRITE_HEADER=1 $(CARGO) test --quiet --locked --test header
