# Policy, chroot, check, ambient and status, seen from outside.
OUTSIDE += policy chroot trusted_path check ambient status
build/outside/status: LDLIBS += -lcap
LIMIT_policy := 300
PARTS_policy := policy_files policy_outcomes policy_values

# How fast the stanza reader is, and that twice the file takes twice the time.
.PHONY: bench-stanza
bench-stanza: ## measure: how fast the stanza reader is
	@CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=4 $(CARGO) bench --quiet --locked --bench stanza
