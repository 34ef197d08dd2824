# The core tests under kernels of Debian's, in qemu without KVM: `make check-kernels`, some minutes, not part of `make check`.
# Nothing of the kernels is installed: packages and what is unpacked of them are in build/kernels. For amd64 only.
# KERNEL_SUITES="bookworm" takes fewer; KERNEL_TESTS="drop@60 situations@900" runs other programs.

KERNEL_SUITES ?= bullseye bookworm trixie
# PROGRAM@SECONDS, VARIABLE=VALUE before it: see tests/kernels/run. The slowest come last.
KERNEL_TESTS ?= drop@60 ambient@120 status@120 chroot@180 check@180 policy@400 no_regain@400 SOAK_ROUNDS=5:thread_stress@400 \
    situations@900
KERNEL_PROGRAMS := drop ambient status chroot check policy no_regain thread_stress situations print_creds

.PHONY: check-kernels
check-kernels: ## long tests: the core tests under kernels of Debian's in qemu; KERNEL_SUITES=bookworm takes one
	@tests/packages gcc libc6-dev libcap-dev python3 qemu-system-x86 busybox-static debian-archive-keyring
	@$(MAKE) --no-print-directory $(addprefix build/outside/,$(KERNEL_PROGRAMS))
	@KERNEL_SUITES="$(KERNEL_SUITES)" tests/run tests/kernels/run@3600
check-kernels: export KERNEL_TESTS := $(KERNEL_TESTS)
