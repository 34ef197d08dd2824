# The pairs of programs of docs/migrating.md, and the code blocks of every guide.
# As needed: what a program does not use is not linked, so that those of "after" have no libcap in them.
MIGRATING := $(basename $(notdir $(wildcard docs/migrating/*.c)))
check-needs: $(addprefix build/migrating/,$(MIGRATING))

build/migrating/%: docs/migrating/%.c $(wildcard docs/migrating/*.h) include/ec_security.h build/libec_security.so
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -o $@ $< -Wl,--as-needed -lcap -lcap-ng -Lbuild -Wl,-rpath,'$$ORIGIN/..' -lec_security

CHECKS += tests/migrating.py@300
DEBIAN_PACKAGES += libcap-dev libcap-ng-dev util-linux
