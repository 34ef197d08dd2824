# Other architectures of Debian's in qemu-system, and musl: `make check-arch`, some minutes each, not part of `make check`.
# `make check-arch ARCH="arm64 musl"` takes fewer; ARCH_TESTS="drop@60 policy@900" runs other programs. docs/architectures.md.
OUTSIDE += processor

ARCH ?= arm64 riscv64 s390x ppc64el i386 armhf musl
# PROGRAM@SECONDS, VARIABLE=VALUE before it: see tests/arch/run. The slowest come last. EC_SCENE=caps:faults@1800 is for arm64 alone, and slow.
ARCH_TESTS ?= processor@120 drop@60 ambient@120 chroot@300 check@300 policy@600 no_regain@600 SOAK_ROUNDS=5:thread_stress@600 \
    equivalence@900 EC_COUNT=100000:cap_text@900 situations@1800

# One architecture and what differs most: a minute, two or three when the kernel, the sources of `core` and the compilers are fetched.
# Where they cannot be had it is a SKIP that says so.
ARCH_QUICK := processor@120 drop@60 chroot@300 SITUATIONS_OF=stacks:situations@300

.PHONY: check-arch check-arch-quick mutants-arch
check-arch-quick: ## long tests: what differs most between architectures, on arm64
	@EC_MAY_LACK=1 ARCH=arm64 ARCH_TESTS="$(ARCH_QUICK)" tests/arch/run

check-arch: export ARCH := $(ARCH)
check-arch: export ARCH_TESTS := $(ARCH_TESTS)
check-arch: ## long tests: the core tests on other architectures in qemu, and with musl; ARCH=arm64 takes one
	@tests/arch/run

# Defects of the kinds that an architecture brings: each must be noticed on it.
mutants-arch: ## long tests: defects that only another architecture shows; each must be noticed
	@tests/arch/mutants
