# make mutants: every small change that cargo-mutants knows of, made in MUTANTS, and whether the tests notice; see tests/mutants,
# and docs/mutants.md for what is known of those that nobody notices. A second or three a mutant that is noticed, a minute or
# two one of threads/stop.rs that is not; it can be interrupted, and goes on where it was. MUTANTS_ARGS="--jobs 2" makes two at a time.
# make mutants-hand: defects put by hand into what acts. The tests must notice each, and a line says which case does.

MUTANTS ?= cap_text identity order goal refusal state step stop probe handler session shared call_lock signal_action
MUTANTS_ARGS ?=
MUTANTS_PROGRAMS := $(addprefix build/outside/,ambient check chroot drop faults identity no_regain policy thread_stress situations print_creds)

.PHONY: mutants mutants-hand
mutants: $(MUTANTS_PROGRAMS) ## long tests: every change cargo-mutants knows of, in fourteen files, and whether a test notices
	@$(CARGO) mutants --version >/dev/null 2>&1 || { \
	    echo "mutants needs cargo-mutants: cargo install --locked cargo-mutants" >&2; exit 1; }
	@tests/as-root tests/mutants $(MUTANTS_ARGS) $(MUTANTS)

mutants-hand: build/outside/faults build/outside/drop build/outside/situations build/outside/print_creds ## long tests: defects put by hand into what acts; each must be noticed
	@tests/as-root tests/mutants-hand
