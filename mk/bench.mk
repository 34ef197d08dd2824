# make bench: this library beside what a user would pick instead, and near the floor. Needs root and Linux; about half an
# hour. BENCH_ARGS="--only drop --runs 15" makes less of it. Writes build/bench/results.json and build/bench/table.md.
# make bench-plot: docs/drop-time.svg and the tables of docs/benchmarks.md and README.md, from build/bench/results.json.

BENCH_PACKAGES := gcc libc6-dev libcap-dev libcap-ng-dev libseccomp-dev golang-github-containers-common binutils strace python3
BENCH_CFLAGS := $(BASE_CFLAGS) -O2 -Ibenches

# The account whose names are looked up, and where.
BENCH_ETC := tests/private-etc $(foreach file,passwd group,$(file)+benches/etc/$(file)) nsswitch.conf=benches/etc/nsswitch.conf

# The ways to drop: each links what its users would. $(PSX) is the static link line that works: with the dynamic one of its
# manual page libpsx does nothing.
PSX := -Wl,-Bstatic -lcap -lpsx -Wl,-Bdynamic -lpthread -Wl,-wrap,pthread_create
OURS := -Lbuild -Wl,-rpath,'$$ORIGIN/..' -lec_security
WAYS := ours psx libcap libcap-ng libc floor

build/bench/drop-ours: LDLIBS := $(OURS)
build/bench/drop-psx: LDLIBS := $(PSX)
build/bench/drop-libcap: LDLIBS := -lcap
build/bench/drop-libcap-ng: LDLIBS := -lcap-ng

build/bench/drop-%: benches/way-%.c benches/drop.c benches/account.c benches/clock.c benches/bench.h build/libec_security.so
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $< benches/drop.c benches/account.c benches/clock.c $(LDLIBS)

# Everything else, measured by a program of its own.
build/bench/rehearsal: LDLIBS := $(OURS)
build/bench/text: LDLIBS := $(OURS) -lcap
build/bench/load: LDLIBS := -ldl
build/bench/filtered: LDLIBS := -lseccomp

build/bench/%: benches/%.c benches/clock.c benches/bench.h build/libec_security.so
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $< benches/clock.c $(LDLIBS)

# A program that is linked with a library and does nothing. What is linked must also be used, else the linker leaves it out.
USE_ours := ec_security_apply
USE_ours-static := ec_security_apply
USE_psx := cap_set_proc
USE_psx-static := cap_set_proc
USE_libcap := cap_set_proc
USE_libcap-ng := capng_apply
LINKED := ours ours-static psx psx-static libcap libcap-ng none

build/bench/linked-ours: LDLIBS := $(OURS)
build/bench/linked-ours-static: LDLIBS := build/libec_security.a $(LIBS_PRIVATE)
build/bench/linked-psx: LDLIBS := -Wl,--no-as-needed -lpsx -lcap -lpthread
build/bench/linked-psx-static: LDLIBS := -Wl,-Bstatic -u psx_register -lcap -lpsx -Wl,-Bdynamic -lpthread
build/bench/linked-libcap: LDLIBS := -lcap
build/bench/linked-libcap-ng: LDLIBS := -lcap-ng

build/bench/linked-%: benches/linked.c build/libec_security.so build/libec_security.a
	@mkdir -p $(@D)
	$(CC) -std=gnu99 -Wall -Werror -O2 $(if $(USE_$*),-DUSE=$(USE_$*)) -o $@ $< $(LDLIBS)

BENCHES := $(addprefix build/bench/drop-,$(WAYS)) $(addprefix build/bench/linked-,$(LINKED)) \
    $(addprefix build/bench/,rehearsal text load start filtered)

.PHONY: bench bench-programs bench-plot

bench-programs: $(BENCHES) ## internal: what `make bench` runs

bench: ## measure: this library beside what a user would pick instead; as root, see docs/benchmarks.md
	@tests/packages $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory bench-programs
	unshare -m sh -ec '$(BENCH_ETC); exec "$$@"' - $(PYTHON) benches/run.py $(BENCH_ARGS)

bench-plot: ## measure: the plot and the tables of what `make bench` has measured
	$(PYTHON) benches/plot.py build/bench/results.json docs/drop-time.svg
	$(PYTHON) benches/table.py build/bench/results.json docs/benchmarks.md README.md
