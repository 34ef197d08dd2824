# `make check-build-systems`: the examples for CMake and Meson, against an installed library.

.PHONY: check-build-systems

check-build-systems: ## test: the examples for CMake and Meson, against an installed library
	@tests/packages gcc libc6-dev pkg-config python3 binutils cmake meson ninja-build
	@$(MAKE) --no-print-directory built
	@tests/as-root tests/run tests/build-systems.sh@600
