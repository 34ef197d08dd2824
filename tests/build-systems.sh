#!/bin/sh
# The examples for CMake and Meson: configured, built and run against an installed library; tests/bindings looks at what they
# make from outside.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh

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

# standalone NAME PROGRAM: the same of one that holds the library.
standalone() {
    verdict "$1: the program needs no libec_security.so" "$(readelf -dW "$2" | grep libec_security)"
    tests/bindings "$1" "$2" || failed=1
}

configure() { cmake -S cbindings-tests/cmake -B "$work/$1" -DCMAKE_PREFIX_PATH="$2" -DCMAKE_C_FLAGS="-Wall -Werror"; }
verdict "cmake: configures" "$(silent configure cmake "$prefix")"
verdict "cmake: builds" "$(silent cmake --build "$work/cmake")"
looked_at cmake "$work/cmake/drop"
standalone cmake-static "$work/cmake/drop-static"

# An older program may ask for less, a newer one for what is not there; and a library of another word size is none.
asked() {
    mkdir -p "$work/asks" &&
        printf 'cmake_minimum_required(VERSION 3.13)\nproject(asks %s)\nfind_package(ec_security %s REQUIRED)\n' "$2" "$1" \
            >"$work/asks/CMakeLists.txt" && rm -rf "$work/asks/build" &&
        cmake -S "$work/asks" -B "$work/asks/build" -DCMAKE_PREFIX_PATH="$prefix"
}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
verdict "cmake: finds version $version, by name" "$(silent asked "$version EXACT" C)"
verdict "cmake: an earlier version will do" "$(silent asked 0.0.1 C)"
verdict "cmake: does not do for a later one" "$(refused asked 99.0 C)"
versions=$prefix/lib/cmake/ec_security/ec_security-config-version.cmake
cp "$versions" "$work/versions"
sed 's/EQUAL [48])/EQUAL 2)/' "$work/versions" >"$versions"
verdict "cmake: does not do for another word size" "$(refused asked 0.1 C)"
cp "$work/versions" "$versions"

# All of it somewhere else, through a symbolic link.
mv "$prefix" "$work/moved" && ln -s moved "$work/linked"
verdict "cmake: moved together, they are found" "$(silent configure cmake-moved "$work/linked")"
rm -f "$work/moved/lib/libec_security.a"
verdict "cmake: says which file is missing" "$(refused configure cmake-torn "$work/moved")"
mv "$work/moved" "$prefix"
cp build/libec_security.a "$prefix/lib/"

verdict "meson: configures" "$(silent meson setup "$work/meson" cbindings-tests/meson)"
verdict "meson: builds" "$(silent meson compile -C "$work/meson")"
# Unlike CMake, Meson writes no search path for what pkg-config finds outside the project.
LD_LIBRARY_PATH="$prefix/lib" looked_at meson "$work/meson/drop"
standalone meson-static "$work/meson/drop-static"

PKG_CONFIG_LIBDIR=$work/nothing
verdict "cmake: without the library it says so" "$(refused configure no-cmake "$work/nothing")"
verdict "meson: without the library it says so" "$(refused meson setup "$work/no-meson" cbindings-tests/meson)"
exit $failed
