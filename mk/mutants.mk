# make mutants: cargo-mutants over the pure parts of the library, with the tests of .cargo/mutants.toml; what is known of its
# survivors is in docs/mutants.md. Long: about ten seconds a mutant. MUTANTS="plan cap_text" names the files,
# MUTANTS_ARGS="--shard 0/8 -j 2" what else cargo-mutants is told. `make mutants-hand` breaks what acts: commit.rs,
# rendezvous.rs, rehearsal.rs.

MUTANTS ?= plan cap_text
MUTANTS_ARGS ?=

.PHONY: mutants
mutants:
	@$(CARGO) mutants --version >/dev/null 2>&1 || { \
	    echo "mutants needs cargo-mutants: cargo install --locked cargo-mutants" >&2; exit 1; }
	@mkdir -p build/mutants
	CARGO_PROFILE_TEST_DEBUG=0 $(CARGO) mutants $(foreach name,$(MUTANTS),-f src/$(name).rs) -o build/mutants/cargo $(MUTANTS_ARGS)
