# The harness tested by itself, and the first look at the drop; the static library in a plug-in.
OUTSIDE += harness drop plugin

# Linked without -z nodelete, which ec_security.pc would ask for: the library has to stay mapped by itself.
build/outside/plugin: | build/outside/plugin_so.so
build/outside/plugin: LDLIBS += -ldl
build/outside/plugin_so.so: tests/outside/plugin_so.c build/libec_security.a
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -shared -fPIC -o $@ $< build/libec_security.a -pthread
