#!/bin/sh
# Tools that watch a process use its memory: valgrind's memcheck, and the sanitizers of the C compiler. What runs is the
# programs of tests/outside; with --here, arguments makes its checks in the very process that is watched, and a drop with
# threads, and ends by itself, so that what is lost can be told.
#
# SANITIZED: the directory of programs built with sanitizers, where it is not build/asan; then these alone are run.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# verdict NAME STATUS: of what has left its words in $work/out, and in $work/log what valgrind has to say.
verdict() {
    if [ "$2" = 0 ] && [ ! -s "$work/log" ]; then
        # Its cases are counted where it runs by itself; but one of which all are skipped here has not been watched.
        if grep -q '^SKIP ' "$work/out" && ! grep -q '^ok ' "$work/out"; then
            echo "SKIP $1: $(sed -n 's/^SKIP //p' "$work/out" | head -n 1)"
        else
            echo "ok $1"
        fi
    else
        sed 's/^/    /' "$work/out" "$work/log"
        echo "FAIL $1: exit status $2, see above"
        failed=1
    fi
}

finds_nothing() {
    name=$1
    shift
    : >"$work/log"
    "$@" >"$work/out" 2>&1
    verdict "$name" $?
}

# Of children too: each that is forked goes on being watched, says what is wrong in the same log, and ends by itself, so that
# what it has lost is told. What is executed is not watched. vgdb would leave its pipes in /tmp, which the process cannot take
# away any more after the drop.
valgrind_finds_nothing() {
    name=$1
    shift
    EC_CHILDREN_END=1 valgrind --quiet --vgdb=no --log-fd=9 --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite "$@" >"$work/out" 2>&1 9>"$work/log"
    verdict "$name" $?
}

# Left out, since it is not so under valgrind, whatever the library does:
#   policy NAME, natively (and so on)   compares the signals blocked: valgrind blocks them all while it works
#   chroot: undone; check               seccomp(2), which valgrind 3.19 does not know
#   raise and lower                     counts what is allocated, and interrupts malloc: both are valgrind's own there
#   identity, cap_text by its cases     execute themselves anew, and /proc/self/exe is valgrind
#   no_regain, a file with capabilities  the program that is executed says nothing
#   thread_stress, situations, faults    too slow, one thread at a time; and what a tracer reads is uninitialised to it
if [ -z "${SANITIZED:-}" ]; then
    valgrind_finds_nothing "valgrind: arguments, and a drop with threads" build/outside/arguments --here drop
    valgrind_finds_nothing "valgrind: drops looked at from outside" build/outside/drop
    valgrind_finds_nothing "valgrind: values, files and refusals of a policy" build/outside/policy "policy: values" \
        "policy: somebody" "policy: the document" "policy: errors" ": is refused" ": goes"
    valgrind_finds_nothing "valgrind: chroot" build/outside/chroot "chroot: with a user" "chroot: a thread with" "the daemon's own"
    valgrind_finds_nothing "valgrind: ambient" build/outside/ambient "executed: ambient" "service manager: user ecuser"
    valgrind_finds_nothing "valgrind: status" build/outside/status "status: "
    # 64: of the kernel that runs; 40: of the table.
    valgrind_finds_nothing "valgrind: capability texts of the table" build/outside/cap_text --work table 40 1 0 C
    valgrind_finds_nothing "valgrind: capability texts at random" build/outside/cap_text --work texts 64 1 2000 C
    valgrind_finds_nothing "valgrind: capability sets as texts" build/outside/cap_text --work masks 64 1 500 C
fi

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
programs=${SANITIZED:-build/asan}
finds_nothing "sanitizers: arguments, and a drop with threads" "$programs/arguments" --here drop
finds_nothing "sanitizers: drops looked at from outside" "$programs/drop"
finds_nothing "sanitizers: every way back" "$programs/no_regain"
finds_nothing "sanitizers: every option of a policy" "$programs/policy"
finds_nothing "sanitizers: chroot" "$programs/chroot"
finds_nothing "sanitizers: executed programs" "$programs/ambient"
exit $failed
