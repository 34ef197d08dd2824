# The library in scripting runtimes, each with its threads busy: `make check-runtimes`, some minutes, not part of `make check`.
# Installs the runtimes from Debian, and koffi for Node.js from npm, at the versions of the lock file.

RUNTIME_PACKAGES := gcc libc6-dev python3 util-linux perl libffi-platypus-perl ruby luajit php-cli libjna-java \
    golang-go pkg-config mono-mcs mono-runtime erlang-base erlang-dev
# These may be there without a package of Debian.
RUNTIME_PACKAGES += $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm) \
    $(if $(shell command -v javac),,default-jdk-headless)

JNA := /usr/share/java/jna.jar

.PHONY: check-runtimes runtimes
check-runtimes: ## long tests: the library in scripting runtimes, while their threads are busy
	@tests/packages $(RUNTIME_PACKAGES)
	@$(MAKE) --no-print-directory runtimes
	@tests/as-root tests/run tests/runtimes@1200

# EC_SECURITY_LIB: another library is tried, and none is built.
runtimes: ## internal: what `make check-runtimes` runs
runtimes: $(if $(EC_SECURITY_LIB),,build/libec_security.so) build/runtimes/libthreads.so build/runtimes/java/Busy.class \
    build/runtimes/go/busy build/runtimes/go/drop build/runtimes/dotnet/Busy.exe build/runtimes/dotnet/Drop.exe \
    build/runtimes/pypi/dotnetcore2/bin/dotnet \
    build/runtimes/erlang/ec_security_nif.so build/runtimes/erlang/busy.beam build/ec-security \
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

# Modules that are compiled find the library that is not installed by this.
build/runtimes/pkgconfig/ec_security.pc: ec_security.pc.in
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(CURDIR)|' -e 's|@LIBDIR@|$(CURDIR)/build|' -e 's|@INCLUDEDIR@|$(CURDIR)/include|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' $< >$@

# Nothing is fetched: the module needs none but Go's own library. The cache of Go is in build/, as all else.
build/runtimes/go/%: cbindings-tests/go/cmd/%/main.go cbindings-tests/go/ec_security.go include/ec_security.h \
    build/runtimes/pkgconfig/ec_security.pc build/libec_security.so
	cd cbindings-tests/go && PKG_CONFIG_PATH=$(CURDIR)/build/runtimes/pkgconfig GOCACHE=$(CURDIR)/build/runtimes/go-cache \
	    GOFLAGS=-mod=mod GOPROXY=off go build -o $(CURDIR)/$@ ./cmd/$*

# One compiler, Mono's, since Debian has no other; two runtimes, Mono and .NET, of which PyPI has version 3.1.
build/runtimes/dotnet/%.exe: cbindings-tests/dotnet/%.cs cbindings-tests/dotnet/EcSecurity.cs
	@mkdir -p $(@D)
	mcs -nologo -warnaserror -out:$@ $^
	cp cbindings-tests/dotnet/runtimeconfig.json $(@D)/$*.runtimeconfig.json

DOTNET := dotnetcore2==3.1.23
build/runtimes/pypi/dotnetcore2/bin/dotnet:
	@rm -rf build/runtimes/pypi
	$(PYTHON) -m pip install --quiet --root-user-action=ignore --no-deps --target build/runtimes/pypi $(DOTNET)
	chmod +x $@

ERLANG := cbindings-tests/erlang
build/runtimes/erlang/busy.beam: $(wildcard $(ERLANG)/src/*.erl $(ERLANG)/test/*.erl) $(ERLANG)/test/busy_nif.c
	@mkdir -p $(@D)
	erlc -Werror -o $(@D) $(filter %.erl,$^)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -fPIC -shared -o $(@D)/busy_nif.so $(filter %.c,$^) -I/usr/lib/erlang/usr/include

build/runtimes/erlang/ec_security_nif.so: $(ERLANG)/c_src/ec_security_nif.c build/runtimes/pkgconfig/ec_security.pc \
    include/ec_security.h build/libec_security.so
	PKG_CONFIG_PATH=$(CURDIR)/build/runtimes/pkgconfig $(MAKE) --no-print-directory -B -C $(ERLANG)/c_src \
	    PRIV=$(CURDIR)/$(@D) CFLAGS="-O2 -g -Wpedantic -Werror"
