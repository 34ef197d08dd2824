#!/bin/sh
# What `make install` puts where, and whether programs built against it work: every link line that the README names is
# compiled and run, and tests/bindings looks at each program from outside.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh
CC=${CC:-cc}
CXX=${CXX:-c++}

# clean COMMAND...: what it says, even if it succeeds.
clean() { "$@" 2>&1 || echo "exit status not 0: $*"; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# --- what goes where ----------------------------------------------------------------------------------------------------

# wanted LIBDIR: what must be there, below a prefix, as "mode name" or "name -> target".
wanted() {
    {
        echo "644 include/ec_security.h"
        echo "644 $1/libec_security.a"
        echo "755 $1/libec_security.so.$version"
        echo "$1/libec_security.so.0 -> libec_security.so.$version"
        echo "$1/libec_security.so -> libec_security.so.0"
        echo "644 $1/pkgconfig/ec_security.pc"
        echo "644 $1/cmake/ec_security/ec_security-config.cmake"
        echo "644 $1/cmake/ec_security/ec_security-config-version.cmake"
        echo "755 sbin/ec-security"
        echo "644 share/bash-completion/completions/ec-security"
        echo "644 share/zsh/site-functions/_ec-security"
        echo "644 share/fish/vendor_completions.d/ec-security.fish"
        for page in man/*.[1-8]; do
            [ ! -e "$page" ] || echo "644 share/man/man${page##*.}/${page##*/}"
        done
    } | sort
}

there() { (cd "$1" && find . -type f -printf '%m %P\n' -o -type l -printf '%P -> %l\n' | sort); }

compare() {
    wanted "$2" >"$work/wanted"
    there "$1" >"$work/there"
    diff "$work/wanted" "$work/there" | grep '^[<>]'
}

stage=$work/stage
multiarch=lib/$(uname -m)-linux-gnu
# As a package's build does it; with a umask that must not matter.
problem=$(umask 077 && silent make install DESTDIR="$stage" PREFIX=/usr LIBDIR="/usr/$multiarch")
verdict "make install DESTDIR= PREFIX=/usr LIBDIR=: each file in its place" "$problem$(compare "$stage/usr" "$multiarch")"
verdict "its directories can be entered by all" "$(find "$stage/usr" -type d ! -perm 755)"
verdict "no file names the stage" "$(grep -rlF "$stage" "$stage/usr")"
verdict "ec_security.pc says where it will be" "$(
    export PKG_CONFIG_LIBDIR="$stage/usr/$multiarch/pkgconfig"
    [ "$(pkg-config --variable=libdir ec_security)" = "/usr/$multiarch" ] || cat "$PKG_CONFIG_LIBDIR/ec_security.pc"
    [ "$(pkg-config --modversion ec_security)" = "$version" ] || echo "version $(pkg-config --modversion ec_security)"
    grep -q "^libdir=\${prefix}/$multiarch$" "$PKG_CONFIG_LIBDIR/ec_security.pc" || echo "libdir is not below \${prefix}"
)"
full=$(wc -c <"$stage/usr/$multiarch/libec_security.so.$version")
problem=$(silent make install-strip DESTDIR="$stage" PREFIX=/usr LIBDIR="/usr/$multiarch")
stripped=$(wc -c <"$stage/usr/$multiarch/libec_security.so.$version")
verdict "make install-strip: the same files, smaller" "$problem$(compare "$stage/usr" "$multiarch")$(
    [ "$stripped" -lt "$full" ] || echo "$stripped bytes stripped, $full before"
    for file in "$multiarch/libec_security.so.$version" sbin/ec-security; do
        readelf -SW "$stage/usr/$file" | grep -q '\.debug_info' && echo "$file has debug information"
    done
)"
problem=$(silent make uninstall DESTDIR="$stage" PREFIX=/usr LIBDIR="/usr/$multiarch")
verdict "make uninstall leaves nothing" "$problem$(there "$stage")"

# What a `sudo make install` finds after a user's `make`: no cargo, and a tree it cannot write to.
cat >"$work/read-only" <<'END'
mount --make-rprivate / && mount --bind . "$2" && mount -o remount,ro,bind "$2" && cd "$2" || exit 1
! touch build/made 2>/dev/null || { echo "the tree can be written to"; exit 1; }
exec make install CARGO=false DESTDIR="$1" PREFIX=/usr
END
mkdir "$work/tree"
problem=$(silent unshare --mount sh "$work/read-only" "$stage" "$work/tree")
verdict "make install needs no cargo and no write access to the tree" "$problem$(compare "$stage/usr" lib)"
rm -rf "$stage"

# --- programs -----------------------------------------------------------------------------------------------------------

prefix=$work/prefix
verdict "make install PREFIX=" "$(silent make install PREFIX="$prefix")$(compare "$prefix" lib)"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
lib=$prefix/lib
c99="$CC -std=c99 -Wall -Wextra -Wpedantic -Werror -pthread"
cxx17="$CXX -std=c++17 -Wall -Wextra -Wpedantic -Werror -Wold-style-cast -Wconversion -pthread"
cflags=$(pkg-config --cflags ec_security)
libs=$(pkg-config --libs ec_security)
static_libs=$(pkg-config --static --libs ec_security)
c=cbindings-tests/c
# Directories of this machine may hold another libec_security: LD_LIBRARY_PATH goes first.
export LD_LIBRARY_PATH="$lib"

# shellcheck disable=SC2086 # flags are words
{
    # built NAME COMMAND...: compiles to $work/NAME and says nothing, or the case has failed.
    built() {
        name=$1
        shift
        verdict "$name: compiles without a word" "$(clean "$@" -o "$work/$name")"
    }
    looked_at() {
        tests/bindings "$@" || failed=1
    }

    built c-shared $c99 $c/drop.c $cflags $libs
    verdict "c-shared: needs libec_security.so.0 by that name" "$(
        readelf -dW "$work/c-shared" | grep -q 'NEEDED.*\[libec_security\.so\.0\]' || readelf -dW "$work/c-shared"
    )"
    looked_at c-shared "$work/c-shared"

    # The library in the program, libc shared: what is recommended where one wants no libec_security.so.
    built c-static $c99 $c/drop.c $cflags -Wl,-Bstatic $static_libs -Wl,-Bdynamic
    verdict "c-static: needs no libec_security.so" "$(readelf -dW "$work/c-static" | grep libec_security)"
    LD_LIBRARY_PATH='' looked_at c-static "$work/c-static"
    built c-archive $c99 $c/drop.c $cflags "$lib/libec_security.a"
    LD_LIBRARY_PATH='' looked_at c-archive "$work/c-archive"

    # All of it in the program. The linker warns of the lookups of names, which load shared modules all the same: with
    # modules other than "files" glibc itself may crash there, so these are the only ones here.
    problem=$(silent $c99 -static $c/drop.c $cflags $static_libs -o "$work/c-all-static")
    verdict "c-all-static: compiles" "$problem"
    verdict "c-all-static: needs no shared library" "$(readelf -dW "$work/c-all-static" | grep NEEDED)"
    printf 'passwd: files\ngroup: files\ninitgroups: files\n' >"$work/nsswitch.conf"
    # shellcheck disable=SC2016 # the words are of the shell in there
    unshare --mount sh -c 'tests/private-etc "nsswitch.conf=$1" && shift && exec "$@"' sh "$work/nsswitch.conf" \
        tests/bindings c-all-static "$work/c-all-static" || failed=1

    built c-dlopen $c99 $c/dlopen.c $cflags -ldl
    verdict "c-dlopen: does not need libec_security to start" "$(readelf -dW "$work/c-dlopen" | grep libec_security)"
    looked_at c-dlopen "$work/c-dlopen"

    built c++-shared $cxx17 cbindings-tests/cpp/drop.cpp $cflags $libs
    looked_at c++-shared "$work/c++-shared"
    built c++-static $cxx17 cbindings-tests/cpp/drop.cpp $cflags "$lib/libec_security.a"
    LD_LIBRARY_PATH='' looked_at c++-static "$work/c++-static"
    built c++-dlopen $cxx17 cbindings-tests/cpp/dlopen.cpp $cflags -ldl
    verdict "c++-dlopen: does not need libec_security to start" "$(readelf -dW "$work/c++-dlopen" | grep libec_security)"
    looked_at c++-dlopen "$work/c++-dlopen"

    # Another Rust library in the same program has a standard library and a personality of its own, and goes on using it.
    cat >"$work/other.rs" <<'END'
#[no_mangle]
pub extern "C" fn other_catches() -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| if std::env::args().count() > 0 { panic!("caught") }).is_err() as i32
}
END
    cat >"$work/both.c" <<'END'
#include <ec_security.h>
#include <stdio.h>
int other_catches(void);
int main(void)
{
    ec_security_caps caps;
    return ec_security_caps_from_text("cap_chown+p", &caps) == EC_SECURITY_OK && caps.permitted == 1 && other_catches() ? 0 : 1;
}
END
    verdict "another Rust library compiles" \
        "$(silent ${RUSTC:-rustc} --edition 2021 --crate-type staticlib -C opt-level=1 -o "$work/libother.a" "$work/other.rs")"
    others="-lpthread -lm -ldl"
    a=$lib/libec_security.a
    o=$work/libother.a
    built beside-rust-1 $c99 "$work/both.c" $cflags "$a" "$o" $others
    verdict "beside another Rust library, named first: both work" "$(silent "$work/beside-rust-1")"
    built beside-rust-2 $c99 "$work/both.c" $cflags "$o" "$a" $others
    verdict "beside another Rust library, named last: both work" "$(silent "$work/beside-rust-2")"
    built beside-rust-3 $c99 "$work/both.c" $cflags -Wl,--whole-archive "$a" -Wl,--no-whole-archive "$o" $others
    verdict "all of it beside another Rust library: both work" "$(silent "$work/beside-rust-3")"

    # --- the header by itself -------------------------------------------------------------------------------------------

    # Twice, as in a program whose other headers include it too.
    printf '#include <ec_security.h>\n#include <ec_security.h>\n' >"$work/header.c"
    cp "$work/header.c" "$work/header.cpp"
    warnings="-Wall -Wextra -Wpedantic -Wundef -Wshadow -Wconversion -Werror -fsyntax-only"
    for compiler in "$CC" clang; do
        command -v "${compiler%% *}" >/dev/null || { echo "($compiler is not here)"; continue; }
        # C89 has neither stdint.h nor its types, but a compiler that does C89 may have them.
        for std in c89 c99 c11 c17 gnu99; do
            verdict "header: $compiler -std=$std" \
                "$(clean $compiler -std=$std $warnings -Wstrict-prototypes -Wold-style-definition $cflags "$work/header.c")"
        done
    done
    for compiler in "$CXX" clang++; do
        command -v "${compiler%% *}" >/dev/null || { echo "($compiler is not here)"; continue; }
        for std in c++11 c++17 c++20; do
            verdict "header: $compiler -std=$std" \
                "$(clean $compiler -std=$std $warnings -Wold-style-cast $cflags "$work/header.cpp")"
        done
    done
    # Whoever drops the result does not know what the process is.
    printf '#include <ec_security.h>\nint main(void) { ec_security_apply(0, 0, 0); return 0; }\n' >"$work/unused.c"
    verdict "header: a result that is dropped is warned of" "$(
        if $CC -std=c99 -Wall -Werror -c -o /dev/null $cflags "$work/unused.c" 2>"$work/said"; then
            echo "no warning"
        else
            grep -q 'warn_unused_result' "$work/said" || cat "$work/said"
        fi
    )"
}

verdict "the command runs from where it is installed" "$(
    silent "$prefix/sbin/ec-security" --version
    echo "$said" | grep -F "$version" >/dev/null || echo "$said"
)"

EC_SECURITY_LIB="$lib/libec_security.so.0" tests/bindings python "${PYTHON:-python3}" cbindings-tests/python/drop.py ||
    failed=1
# A network of its own, where root of a user namespace too can have a low port.
EC_SECURITY_LIB="$lib/libec_security.so.0" unshare --net "${PYTHON:-python3}" \
    cbindings-tests/python/test_ec_security.py || failed=1

verdict "make uninstall PREFIX= leaves nothing" "$(silent make uninstall PREFIX="$prefix")$(there "$prefix")"
exit $failed
