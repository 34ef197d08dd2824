#!/bin/sh
# The examples for CMake and Meson: configured, built and run against an installed library; tests/bindings looks at what they
# make from outside.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Under tests/as-root the folder is looked into by other users too.
chmod 755 "$work"
failed=0
# Those of the make this runs in are not meant for the makes below.
unset MAKEFLAGS MFLAGS MAKELEVEL

. tests/verdict.sh

# refused COMMAND...: it must fail, and name what it has not found.
refused() {
    if said=$("$@" 2>&1); then
        echo "it finds one"
    else
        echo "$said" | grep -q ec_security || echo "$said"
    fi
}

prefix=$work/prefix
verdict "make install PREFIX=" "$(silent make install PREFIX="$prefix")"
[ $failed = 0 ] || exit 1
# Nothing else is found: a library of this machine would make any test pass.
export PKG_CONFIG_LIBDIR="$prefix/lib/pkgconfig"
lib=$prefix/lib/libec_security.so.0

# looked_at NAME PROGRAM: which library it takes, and what it does.
looked_at() {
    verdict "$1: the program takes the installed library" "$(
        ldd "$2" | grep -qF "libec_security.so.0 => $lib " || ldd "$2" 2>&1)"
    tests/bindings "$1" "$2" || failed=1
}

verdict "cmake: configures" "$(silent cmake -S cbindings-tests/cmake -B "$work/cmake" -DCMAKE_C_FLAGS="-Wall -Werror")"
verdict "cmake: builds" "$(silent cmake --build "$work/cmake")"
looked_at cmake "$work/cmake/drop"

verdict "meson: configures" "$(silent meson setup "$work/meson" cbindings-tests/meson)"
verdict "meson: builds" "$(silent meson compile -C "$work/meson")"
# Unlike CMake, Meson writes no search path for what pkg-config finds outside the project.
LD_LIBRARY_PATH="$prefix/lib" looked_at meson "$work/meson/drop"

PKG_CONFIG_LIBDIR=$work/nothing
verdict "cmake: without the library it says so" "$(refused cmake -S cbindings-tests/cmake -B "$work/no-cmake")"
verdict "meson: without the library it says so" "$(refused meson setup "$work/no-meson" cbindings-tests/meson)"
exit $failed
