# The situations a process may be in when the call comes: tests/outside/situations*.c and promise_*.c, docs/situations.md.
OUTSIDE += situations
LIMIT_situations := 400
PARTS_situations := $(basename $(notdir $(wildcard tests/outside/situations_*.c tests/outside/promise_*.c)))
build/outside/situations: | build/outside/print_creds
build/outside/situations: LDLIBS += -ldl

# Long: the rounds of tests/outside/thread_stress.c, many times, and the situation of the most threads this machine has room for.
SOAK_ROUNDS ?= 10000
.PHONY: soak
soak: build/outside/thread_stress build/outside/situations ## long tests: rounds of drops among threads that come and go; SOAK_ROUNDS=10000
	@SITUATIONS_MANY=1 tests/as-root tests/run build/outside/situations@900
	@LEAKS=$(SOAK_ROUNDS) SITUATIONS_OF=leaks tests/as-root tests/run build/outside/situations@15000
	@SOAK_ROUNDS=$(SOAK_ROUNDS) tests/as-root tests/run build/outside/thread_stress@86400
CHECKS += tests/docs.sh
