# Where servers run: `make check-surroundings`, some minutes, not part of `make check`. tests/surroundings/run puts a driver into
# containers, units of systemd, sandboxes, emulators, and under security modules in a virtual machine, and compares what comes of
# each drop with docs/surroundings.md. Needs root; for amd64. SURROUNDINGS="podman-crun gvisor" takes fewer.

SURROUNDINGS ?=
SURROUNDINGS_PACKAGES := gcc libc6-dev libcap-dev python3 util-linux iproute2 busybox-static mmdebstrap debian-archive-keyring crun runc podman \
    golang-github-containers-common uidmap bubblewrap firejail runsc qemu-user-static qemu-system-x86 apparmor checkpolicy

.PHONY: check-surroundings
check-surroundings: ## long tests: drops in containers, units, sandboxes, and under security modules
	@tests/packages $(SURROUNDINGS_PACKAGES)
	@$(MAKE) --no-print-directory build/surroundings/drive build/surroundings/drive-libcap build/surroundings/libnss_hang.so.2
	@SURROUNDINGS="$(SURROUNDINGS)" tests/run tests/surroundings/run@1800

# libpsx installs a handler of its own, which is not to be in the other program.
build/surroundings/drive-libcap: private CFLAGS += -DBY_LIBCAP
build/surroundings/drive-libcap: private LDLIBS += -Wl,-Bstatic -lcap -lpsx -Wl,-Bdynamic -Wl,-wrap,pthread_create
build/surroundings/drive build/surroundings/drive-libcap: tests/surroundings/drive.c $(OUTSIDE_HEADERS) $(addprefix build/outside/,$(HARNESS)) \
    build/libec_security.so
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -Itests/outside -o $@ $< $(addprefix build/outside/,$(HARNESS)) -Lbuild -Wl,-rpath,'$$ORIGIN:$$ORIGIN/..' -lec_security $(LDLIBS)

build/surroundings/libnss_hang.so.2: tests/surroundings/nss_hang.c tests/outside/nss_source.h
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -shared -fPIC -o $@ $<
