# The library in scripting runtimes, each with its threads busy: `make check-runtimes`, some minutes, not part of `make check`.
# Installs the runtimes from Debian, and koffi for Node.js from npm, at the versions of the lock file.

RUNTIME_PACKAGES := gcc libc6-dev python3 util-linux perl libffi-platypus-perl ruby luajit php-cli libjna-java
# These may be there without a package of Debian.
RUNTIME_PACKAGES += $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm) \
    $(if $(shell command -v javac),,default-jdk-headless)

JNA := /usr/share/java/jna.jar

.PHONY: check-runtimes runtimes
check-runtimes:
	@tests/packages $(RUNTIME_PACKAGES)
	@$(MAKE) --no-print-directory runtimes
	@tests/as-root tests/run tests/runtimes@1200

# EC_SECURITY_LIB: another library is tried, and none is built.
runtimes: $(if $(EC_SECURITY_LIB),,build/libec_security.so) build/runtimes/libthreads.so build/runtimes/java/Busy.class \
    cbindings-tests/node/node_modules/.package-lock.json

build/runtimes/libthreads.so: cbindings-tests/php/threads.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -shared -fPIC -Wl,-z,nodelete -o $@ $<

build/runtimes/java/Busy.class: $(wildcard cbindings-tests/java/*.java)
	@mkdir -p $(@D)
	javac -Xlint:all -Werror -d $(@D) -cp $(JNA) $^
	@touch $@

# No scripts: what is needed is in the package for this kind of machine.
cbindings-tests/node/node_modules/.package-lock.json: cbindings-tests/node/package-lock.json
	cd cbindings-tests/node && npm ci --ignore-scripts --no-fund --no-audit
	@touch $@
