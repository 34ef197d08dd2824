# Other architectures of Debian's in qemu-system, and musl: `make check-arch`, some minutes each, not part of `make check`.
# `make check-arch ARCH="arm64 musl"` takes fewer; ARCH_TESTS="drop@60 policy@900" runs other programs. docs/architectures.md.
OUTSIDE += architecture

ARCH ?= arm64 riscv64 s390x ppc64el i386 armhf musl
# PROGRAM@SECONDS, VARIABLE=VALUE before it: see tests/arch/run. The slowest come last.
ARCH_TESTS ?= architecture@120 drop@60 ambient@120 chroot@300 check@300 policy@600 noway@600 SOAK_ROUNDS=5:rounds@600 \
    equivalence@900 EC_COUNT=100000:cap_text@900 situations@1800

.PHONY: check-arch mutants-arch
check-arch: export ARCH := $(ARCH)
check-arch: export ARCH_TESTS := $(ARCH_TESTS)
check-arch: ## long tests: the core tests on other architectures in qemu, and with musl; ARCH=arm64 takes one
	@tests/arch/run

# Defects of the kinds that an architecture brings: each must be noticed on it.
mutants-arch: ## long tests: defects that only another architecture shows; each must be noticed
	@tests/arch/mutants
