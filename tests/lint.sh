#!/bin/sh
# Formatters and linters, each a case, over every file of their language. With --format, the formatters write what they miss here.
# shellcheck disable=SC2086 # lists of files, of which no name has a blank
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
clang_format=build/lint/clang_format/data/bin/clang-format

# Not what is made, fetched, or an input of a test.
files() {
    find . \( -type d -name '.?*' ! -name .ci ! -name .github -o -path ./build -o -path ./target -o -path ./vendor -o -path ./fuzz/target -o -path ./fuzz/corpus \
        -o -path ./tests/data -o -name node_modules -o -name __pycache__ -o -name 'mutants.out*' \) -prune \
        -o -type f "$@" -print | sort
}
# scripts INTERPRETER: those without an ending whose first line ends in it.
scripts() {
    files ! -name '*.*' | while IFS= read -r file; do
        ! head -n 1 "$file" | tr -d '\0' | grep -q "^#!.*[/ ]$1\$" || echo "$file"
    done
}

# cbindgen writes the header.
c=$(files \( -name '*.[ch]' -o -name '*.[ch]pp' \) ! -path ./include/ec_security.h)
python=$(files -name '*.py' && scripts python3)
shell=$(files \( -name '*.sh' -o -name '*.cargo' -o -name '*.bash' \) && scripts sh)
text=$(files ! -name '*.svg' ! -name '*.tsv')

if [ "${1:-}" = --format ]; then
    cargo fmt && "$clang_format" -i $c && exec build/lint/bin/ruff format --quiet --no-cache --force-exclude $python
    exit 1
fi

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

# enough MANY FILE...
enough() {
    many=$1
    shift
    [ $# -ge "$many" ] || { echo "only $# files: $*"; return 1; }
}
all_found() {
    enough 90 $c && enough 30 $python && enough 20 $shell && enough 300 $text
}

# Every line ends where its text does, and the last one ends.
ends() {
    ! grep -n '[[:blank:]]$' "$@" || return 1
    for file; do
        [ -z "$(tail -c 1 "$file" | tr -d '\n')" ] || { echo "$file: no newline at its end"; return 1; }
    done
}
# Tabs begin the lines of makefiles, of Go, and of C code that is patched.
no_tabs() {
    ! grep -lP '^\t' "$@" | grep -v -e '[Mm]akefile$' -e '\.mk$' -e '\.go$' -e '/rules$' -e '/APKBUILD$' -e '/servers\.py$'
}

check "there is something to look at" all_found
check "rustfmt has nothing to change" cargo fmt --check
check "clippy has nothing to say" cargo clippy --quiet --locked --all-targets -- -D warnings
check "clippy has nothing to say of the C library" \
    cargo clippy --quiet --locked --no-default-features --features capi --lib --profile c-library -- -D warnings
check "clang-format has nothing to change" "$clang_format" --dry-run -Werror $c
check "shellcheck has nothing to say" shellcheck $shell
check "ruff format has nothing to change" build/lint/bin/ruff format --check --quiet --no-cache --force-exclude $python
check "ruff has nothing to say" build/lint/bin/ruff check --quiet --no-cache --output-format concise $python
check "tests/mutants-hand applies to the sources" "${PYTHON:-python3}" tests/mutants-hand --check
check ".editorconfig: no blank ends a line, a newline ends a file" ends $text
check ".editorconfig: no line begins with a tab" no_tabs $text
exit $failed
