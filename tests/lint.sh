#!/bin/sh
# rustfmt and clippy, each a case.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

check() {
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "ok $name"
    else
        printf '%s\n' "$out"
        echo "FAIL $name: see above"
        failed=1
    fi
}

check "rustfmt has nothing to change" cargo fmt --check
check "clippy has nothing to say" cargo clippy --quiet --locked --all-targets -- -D warnings
check "clippy has nothing to say of the C library" \
    cargo clippy --quiet --locked --no-default-features --features capi --lib --profile c-library -- -D warnings
exit $failed
