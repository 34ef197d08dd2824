#!/bin/sh
# The tarball of `make dist`: made twice, in two places; unpacked and built twice, in two places, without network and without
# any crate on the machine; then tried, installed and used.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=ec_security-$version
tarball=$top/build/$name.tar.xz

# same A B: what differs.
same() { cmp "$1" "$2" 2>&1; }

# --- the tarball --------------------------------------------------------------------------------------------------------

verdict "there is a tarball" "$([ -s "$tarball" ] || echo "no $tarball: make dist")"
[ $failed = 0 ] || exit 1
problem=$(silent git clone --quiet "$top" "$work/another place")
[ -n "$problem" ] || problem=$(silent git -C "$work/another place" checkout --quiet "$(git rev-parse HEAD)")
[ -n "$problem" ] || problem=$(umask 077 && silent make -C "$work/another place" dist)
verdict "the same commit in another directory gives the same bytes" \
    "$problem$(same "$tarball" "$work/another place/build/$name.tar.xz")"

mkdir "$work/one" "$work/another, deeper"
for place in one "another, deeper"; do
    tar -xf "$tarball" -C "$work/$place" || failed=1
done
verdict "every crate has a licence's text, or is there by name only" "$(
    cd "$work/one/$name/vendor" && for crate in */; do
        [ -n "$(find "$crate" -maxdepth 1 -iname '*licen[cs]e*' -o -maxdepth 1 -iname 'copying*' | head -n 1)" ] ||
            grep -q "Needed on no Linux" "$crate"src/lib.rs || echo "$crate has none"
    done)"
verdict "the header is in it" "$(same include/ec_security.h "$work/one/$name/include/ec_security.h")"

# --- built without network ----------------------------------------------------------------------------------------------

# offline COMMAND...: no network, and a cargo that has never fetched anything.
offline() { CARGO_HOME="$work/cargo" silent unshare --net "$@"; }

verdict "unshare --net leaves no network" "$(unshare --net sh -c 'cat /proc/net/route | tail -n +2')"
verdict "make, without network" "$(offline make -C "$work/one/$name")"
[ $failed = 0 ] || exit 1
verdict "make, without network, in a directory with a blank in its name" "$(offline make -C "$work/another, deeper/$name")"
for file in libec_security.so.0 libec_security.a ec-security; do
    verdict "$file is the same from both directories" \
        "$(same "$work/one/$name/build/$file" "$work/another, deeper/$name/build/$file")"
    verdict "$file names neither directory" "$(grep -lF "$work" "$work/one/$name/build/$file")"
done
verdict "cargo has fetched nothing" "$(find "$work/cargo" -name '*.crate' 2>/dev/null)"
began=$(date +%s)
verdict "make check-quick, without network" "$(offline make -C "$work/one/$name" check-quick EC_NO_INSTALL=1)"
echo "(make check-quick took $(($(date +%s) - began)) s, its programs' build included)"

# As packagers do, whose compilers are newer than ours: -Wdeclaration-after-statement stands for what those warn of.
warns() { offline make -C "$work/another, deeper/$name" -B build/outside/drop.o CFLAGS='-O2 -Wdeclaration-after-statement' "$@"; }
verdict "a compiler that warns of more does not stop it" "$(warns)"
verdict "that compiler does warn" "$([ -n "$(warns WERROR=-Werror)" ] || echo "it does not: the case above shows nothing")"
verdict "CMake and Meson, without network" "$(offline make -C "$work/one/$name" check-build-systems EC_NO_INSTALL=1)"

# --- installed ----------------------------------------------------------------------------------------------------------

prefix=$work/prefix
verdict "make install, without network and without cargo" "$(
    CARGO_HOME="$work/cargo" silent unshare --net make -C "$work/one/$name" install CARGO=false PREFIX="$prefix")"
verdict "the tree is left as it was" "$(git -C "$work/another place" archive HEAD | tar -d -C "$work/one/$name" 2>&1 |
    grep -v -e 'Mod time differs' -e 'Mode differs' -e '[UG]id differs')"
cat >"$work/x.c" <<'END_OF_C'
#include <ec_security.h>
#include <stdio.h>
int main(void) { return puts(ec_security_version()) < 0; }
END_OF_C
# shellcheck disable=SC2046 # flags are words
verdict "a program of C by pkg-config" "$(
    export PKG_CONFIG_LIBDIR="$prefix/lib/pkgconfig"
    cc "$work/x.c" $(pkg-config --cflags --libs ec_security) -Wl,-rpath,"$prefix/lib" -o "$work/x" 2>&1 || exit
    [ "$("$work/x")" = "$version" ] || echo "it says $("$work/x")")"
exit $failed
