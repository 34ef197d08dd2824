# Capability texts next to libcap's, whole drops next to what daemons write by hand with libcap, users and groups.
OUTSIDE += cap_text allocates_nothing equivalence identity
LIMIT_cap_text := 900
LIMIT_equivalence := 600
LIMIT_identity := 600
build/outside/cap_text build/outside/equivalence build/outside/identity: LDLIBS += -lcap

# A source for nsswitch.conf that fails; identity looks for it in its own directory.
build/outside/identity: | build/outside/libnss_ecfail.so.2
build/outside/libnss_ecfail.so.2: tests/outside/nss_ecfail.c tests/outside/nss_source.h
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -shared -fPIC -o $@ $<
