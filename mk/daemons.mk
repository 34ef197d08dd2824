# Servers of Debian's source packages with our call in place of their drop: `make check-daemons`, some minutes the first time,
# not part of `make check`. Sources and builds stay in build/daemons.

# Looked up when it is used: not each time make is run.
DAEMON_PACKAGES = dpkg-dev xz-utils bzip2 patch gcc libc6-dev make python3 util-linux pkg-config \
    $(shell $(PYTHON) -B -c 'import sys; sys.path.insert(0, "tests/daemons"); from servers import SERVERS; \
    print(*sorted({package for server in SERVERS.values() for package in server.packages}))')

.PHONY: check-daemons
check-daemons: ## long tests: servers of Debian's source packages with this library in place of their own drop
	@tests/packages $(DAEMON_PACKAGES)
	@$(MAKE) --no-print-directory build/libec_security.so
	@tests/as-root tests/run tests/daemons/check@1800
