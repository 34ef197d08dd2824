#!/bin/sh
# What the built libraries are: what they export, what they need, how they are hardened, how large they are.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh
so=build/libec_security.so
archive=build/libec_security.a
header=include/ec_security.h
command=build/ec-security
for file in $so $archive $command $header; do
    [ -e "$file" ] || { echo "FAIL $file is missing: run make"; exit 1; }
done

# What differs between two sorted lists, one word a line.
differences() {
    comm -23 "$1" "$2" | sed "s/^/only $3: /"
    comm -13 "$1" "$2" | sed "s/^/only $4: /"
}

# A prototype of the header starts a line; the comments above and the macros do not look like one.
sed -n 's/^[a-z][a-z_ ]*[ *]\(ec_security_[a-z_0-9]*\)(.*/\1/p' $header | sort >"$work/declared"
[ "$(wc -l <"$work/declared")" -ge 16 ] || {
    echo "FAIL header: found only $(wc -l <"$work/declared") functions in $header"
    exit 1
}

# --- the shared library -------------------------------------------------------------------------------------------------

nm -D --defined-only --with-symbol-versions $so | awk '$2 != "A" { print $3 }' | sort >"$work/exported"
sed 's/$/@@EC_SECURITY_0/' "$work/declared" | sort >"$work/declared.versioned"
verdict "shared library exports the header's functions, with version EC_SECURITY_0, and nothing else" \
    "$(differences "$work/exported" "$work/declared.versioned" exported declared)"

readelf -dW $so >"$work/dynamic"
readelf -lW $so >"$work/segments"
field() { sed -n "s/.*($1).*\[\(.*\)\]/\1/p" "$work/dynamic"; }
soname=$(field SONAME)
verdict "SONAME is libec_security.so.0" "$([ "$soname" = libec_security.so.0 ] || echo "it is '$soname'")"
verdict "dlclose leaves it mapped (NODELETE)" "$(grep -q 'FLAGS_1.*NODELETE' "$work/dynamic" || echo 'no NODELETE')"
verdict "symbols are bound at load time (NOW)" "$(grep -q 'FLAGS_1.*NOW' "$work/dynamic" || echo 'no NOW')"
verdict "relocated data is read-only (RELRO)" "$(grep -q GNU_RELRO "$work/segments" || echo 'no GNU_RELRO')"
verdict "the stack is not executable" \
    "$(grep 'GNU_STACK' "$work/segments" | grep -q ' RW ' || grep GNU_STACK "$work/segments" || echo 'no GNU_STACK')"
verdict "no segment is writable and executable" "$(awk '$1 == "LOAD" && /RWE/' "$work/segments")"
verdict "code needs no relocation (no TEXTREL)" "$(grep TEXTREL "$work/dynamic")"
verdict "no search path of its own (no RPATH, no RUNPATH)" "$(grep -E 'RPATH|RUNPATH' "$work/dynamic")"

# libc, and its loader, which musl and thread-local storage may bring.
needed=$(field NEEDED | tr '\n' ' ')
echo "it needs: $needed"
verdict "it needs libc and nothing else" "$(field NEEDED | grep -vE '^(libc\.so\.[0-9]+|libc\.musl-.*|ld-linux.*\.so\.[0-9]+)$')"

# An unwinder is 25 kB, does not exist on every architecture, and crashes on the stack of a coroutine.
verdict "no unwinder is linked or called" \
    "$(nm -D --undefined-only $so | grep -E '_Unwind_|_dl_find_object'; nm $so | grep -E ' [tT] _Unwind_')"

# A constructor would run in every program that links it, before main and before that program has a say.
arrays=$(readelf -SW $so | grep -oE '\.(init|preinit)_array' | sort -u)
counted=$(readelf -dW $so | sed -n 's/.*(INIT_ARRAYSZ) *\([0-9]*\) (bytes)/\1/p')
# The unwinder of GCC 16 asks by one more what the processor has.
compilers=$((1 + $(nm $so | grep -c ' t __cpu_indicator_init$')))
verdict "nothing runs at load time but what the compiler brings, frame_dummy" \
    "$([ "${counted:-0}" -le $((8 * compilers)) ] || echo "$arrays: $counted bytes")"

limit=450
strip -o "$work/stripped.so" $so
bytes=$(wc -c <"$work/stripped.so")
echo "stripped, it has $((bytes / 1000)) kB (limit $limit kB)"
verdict "stripped size is below $limit kB" "$([ "$bytes" -lt $((limit * 1000)) ] || echo "$bytes bytes")"

# --- the static library -------------------------------------------------------------------------------------------------

nm -g --defined-only $archive | awk 'NF == 3 { print $3 }' | sort >"$work/global"
verdict "static library has the header's functions global, and nothing else" \
    "$(differences "$work/global" "$work/declared" global declared)"

# --- code of others -----------------------------------------------------------------------------------------------------

# docs/licences.md, one crate a line: name|in the libraries|in the command|licence.
sed -n 's/^| \([a-z_0-9]*\) | \([^ ]*\) | \([^ ]*\) | \(.*\) |$/\1|\2|\3|\4/p' docs/licences.md >"$work/licences"
listed() { awk -F'|' -v column="$1" '$column == "yes" { print $1 }' "$work/licences" | sort; }
# The first part of each name of Rust, but for this crate and what the compiler makes.
crates_in() {
    nm -C "$1" | grep -oE '(^|[^A-Za-z0-9_:>])[a-z_][a-z0-9_]*::' | tr -dc 'a-z0-9_\n' | sort -u |
        grep -vx -e ec_security -e __rustc
}
for file in $so $archive $command; do
    case $file in
        "$command") listed 3 ;;
        *) listed 2 ;;
    esac >"$work/listed"
    crates_in "$file" >"$work/crates"
    verdict "docs/licences.md lists every crate in ${file#build/}: $(tr '\n' ' ' <"$work/crates")" "$(
        grep -qx core "$work/crates" || echo "its names cannot be read"
        comm -23 "$work/crates" "$work/listed" | sed 's/$/ is not listed/')"
done
# What cargo links, whether or not a function of it is left. An older way to write OR is a slash.
cargo_links() {
    "${CARGO:-cargo}" tree --locked --offline --edges normal,no-proc-macro --prefix none --format '{p}|{l}' "$@" |
        sed -n '1d; s/^\([^ ]*\) [^|]*/\1/; s,/, OR ,g; p' | sort -u
}
# linked_are_listed COLUMN WHERE FEATURES...
linked_are_listed() {
    awk -F'|' -v column="$1" '$column == "yes" { print $1 "|" $4 }' "$work/licences" | sort >"$work/listed"
    where=$2
    shift 2
    cargo_links "$@" >"$work/linked" 2>&1
    verdict "docs/licences.md has each crate that cargo links into $where, and its licence" "$(
        grep -q '^libc|' "$work/linked" || cat "$work/linked"
        comm -23 "$work/linked" "$work/listed" | sed 's/$/ is not in the list/')"
}
if "${CARGO:-cargo}" --version >/dev/null 2>&1; then
    linked_are_listed 2 'the libraries' --no-default-features --features capi
    linked_are_listed 3 'the command'
else
    echo "SKIP the crates that cargo links: no cargo"
fi

# --- the header ---------------------------------------------------------------------------------------------------------

# The line before a prototype, or before the attribute in front of it, ends a comment.
verdict "every function, macro and type of the header has a comment" "$(awk '
    /^#define EC_SECURITY_(H|WARN_UNUSED_RESULT)/ { next }
    /^(#define EC_SECURITY_|typedef |[a-z][a-z_ ]*[ *]ec_security_[a-z_0-9]*\()/ && before !~ /\*\/$/ { print $0 }
    { if ($0 != "EC_SECURITY_WARN_UNUSED_RESULT") before = $0 }' $header)"
exit $failed
