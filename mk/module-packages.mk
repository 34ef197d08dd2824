# `make module-packages`: each module as its language expects a package, in build/module-packages. `make check-module-packages`:
# each installed by its language's own tool in an empty directory, and its example run from there.

.PHONY: module-packages check-module-packages

MODULE_PACKAGES := gcc libc6-dev pkg-config python3 python3-setuptools util-linux perl libffi-platypus-perl ruby luajit luarocks php-cli composer \
    libjna-java golang-go erlang-base erlang-dev $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm) \
    $(if $(shell command -v javac),,default-jdk-headless)

module-packages: build/runtimes/java/Busy.class ## release: each module as its language expects a package
	@tests/packages $(MODULE_PACKAGES)
	@packaging/make-module-packages

check-module-packages: lib module-packages build/runtimes/libthreads.so build/runtimes/pkgconfig/ec_security.pc ## release: each of these installed by its language's own tool, and used
	@tests/as-root tests/run tests/module-packages.sh@600
