# Capability texts next to libcap's.
OUTSIDE += cap_text
LIMIT_cap_text := 900
build/outside/cap_text: LDLIBS += -lcap
