# The promise under fault: every system call of the library made to fail, by a tracer.
OUTSIDE += faults
LIMIT_faults := 900

.PHONY: faults
# Every use of every call in every way; the check tries each use in one.
faults: build/outside/faults
	@tests/as-root build/outside/faults --all --table build/faults.tsv
