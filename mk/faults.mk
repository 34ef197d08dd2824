# The promise under fault: every system call of the library made to fail, by a tracer.
OUTSIDE += faults interruption
LIMIT_faults := 900
PARTS_faults := faults_child faults_list faults_look faults_names faults_scenes faults_tracer

.PHONY: faults
# Every use of every call in every way; the check tries each use in one.
faults: build/outside/faults ## long tests: every use of every system call made to fail in every way
	@tests/as-root build/outside/faults --all --table build/faults.tsv

# Compared with libpsx, linked statically: the order libcap's manual gives for the shared one does nothing.
build/outside/interruption: LDLIBS += -Wl,-Bstatic -lpsx -Wl,-Bdynamic -Wl,-wrap,pthread_create
