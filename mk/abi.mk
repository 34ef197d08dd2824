# `make check-abi`: the library against its last release, as abi/ describes that. `make abi-release` describes it anew, and
# is run for a release only: what it writes is what later versions are held to.

CHECKS += tests/abi.py
DEBIAN_PACKAGES += abigail-tools binutils

.PHONY: check-abi abi-release

check-abi: ## test: the library against its last release
	@tests/packages gcc libc6-dev python3 binutils abigail-tools
	@$(MAKE) --no-print-directory lib
	@tests/run tests/abi.py

abi-release: lib ## release: describes the library for later versions to be held to
	@tests/abi.py --release
