#!/bin/sh
# Tools that watch a process use its memory: valgrind's memcheck, and the sanitizers of the C compiler. What runs is the
# programs of tests/outside; with --here, arguments makes its checks in the very process that is watched, and a drop with
# threads, and ends by itself, so that what is lost can be told.
#
# SANITIZED: the folder of programs built with sanitizers, where it is not build/asan; then these alone are run.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

finds_nothing() {
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "ok $name"
    else
        status=$?
        printf '%s\n' "$out" | sed 's/^/    /' # its cases are counted where it runs by itself
        echo "FAIL $name: exit status $status, see above"
        failed=1
    fi
}

# vgdb would leave its pipes in /tmp, which the process cannot take away any more after the drop.
if [ -z "${SANITIZED:-}" ]; then
    finds_nothing "valgrind: arguments, and a drop with threads" \
        valgrind --quiet --vgdb=no --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite build/outside/arguments --here drop
fi

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
programs=${SANITIZED:-build/asan}
finds_nothing "sanitizers: arguments, and a drop with threads" "$programs/arguments" --here drop
finds_nothing "sanitizers: drops looked at from outside" "$programs/drop"
finds_nothing "sanitizers: every way back" "$programs/noway"
finds_nothing "sanitizers: every option of a policy" "$programs/policy"
finds_nothing "sanitizers: chroot" "$programs/chroot"
finds_nothing "sanitizers: executed programs" "$programs/ambient"
exit $failed
