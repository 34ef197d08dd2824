# The command ec-security, the man pages, the fuzzers.

CHECKS += tests/tool.py@300 tests/man.py@300 tests/administration.py@120
DEBIAN_PACKAGES += libcap2-bin libcap-ng-utils systemd bash mount zsh fish mandoc man-db

# --- fuzzers: `make fuzz SECONDS=600 TARGETS="stanza cap_text"` ----------------------------------------------------------
#
# Needs a nightly compiler and cargo-fuzz (`cargo install cargo-fuzz`). New inputs go to fuzz/target/found/TARGET; what
# breaks goes to fuzz/artifacts. `make fuzz-corpus` adds to the committed corpora what of that gets to new code.

TARGETS := stanza cap_text
SECONDS := 600
FUZZ_TOOLCHAIN ?= nightly
FUZZ_CARGO = cargo +$(FUZZ_TOOLCHAIN) fuzz
# No sanitizer: what is fuzzed has no unsafe code, and goes three times as fast without. Overflow is checked for.
FUZZ_RUN = TMPDIR=$(CURDIR)/fuzz/target/tmp $(FUZZ_CARGO) run --sanitizer none
# A few of the longest messages and words fit in.
FUZZ_LONGEST_stanza := 4096
FUZZ_LONGEST_cap_text := 512

.PHONY: fuzz fuzz-corpus
fuzz: $(addprefix fuzz-,$(TARGETS)) ## long tests: the fuzzers; SECONDS=600; needs a nightly Rust and cargo-fuzz
fuzz-corpus: $(addprefix fuzz-corpus-,$(TARGETS)) ## long tests: adds to fuzz/corpus what they found of new code

fuzz-%:
	@mkdir -p fuzz/target/tmp fuzz/target/found/$*
	$(FUZZ_RUN) $* $(CURDIR)/fuzz/target/found/$* $(CURDIR)/fuzz/corpus/$* -- -max_total_time=$(SECONDS) -timeout=10 \
	    -max_len=$(FUZZ_LONGEST_$*) -print_final_stats=1 -dict=$(CURDIR)/fuzz/dictionaries/$*.dict

# What is there stays; of what was found, that which gets to other code.
fuzz-corpus-%:
	@mkdir -p fuzz/target/tmp fuzz/target/found/$*
	$(FUZZ_RUN) $* $(CURDIR)/fuzz/corpus/$* $(CURDIR)/fuzz/target/found/$* -- -merge=1 -use_counters=0 \
	    -max_len=$(FUZZ_LONGEST_$*)
