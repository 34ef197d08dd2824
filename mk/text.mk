# Capability texts next to libcap's, and whole drops next to what daemons write by hand with libcap.
OUTSIDE += cap_text equivalence
LIMIT_cap_text := 900
LIMIT_equivalence := 600
build/outside/cap_text build/outside/equivalence: LDLIBS += -lcap
