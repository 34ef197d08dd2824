# `make dist`: the sources of a release, in build/: packaging/make-dist. `make check-dist`: whether they, and the library made of
# them, are the same from two places, and whether they build, pass and install without network.

.PHONY: dist check-dist

dist: ## release: build/ec_security-VERSION.tar.xz, which needs no network
	@packaging/make-dist

check-dist: dist ## release: that tarball, made, built, tried and installed in two places
	@tests/packages gcc libc6-dev libcap-dev pkg-config python3 util-linux binutils cmake meson ninja-build xz-utils
	@tests/run tests/dist.sh@1800
