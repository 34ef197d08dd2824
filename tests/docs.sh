#!/bin/sh
# Every test that a document names exists: the names are looked for in the sources of the tests.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

# The last column of every table row, in which each name stands between backquotes.
named() {
    sed -n 's/^|.*| \([^|]*\) |$/\1/p' "$1" | grep -o '`[^`]*`' | tr -d '`'
}

for document in docs/peers-bugs.md docs/kernel-features.md; do
    missing=
    count=0
    while IFS= read -r name; do
        count=$((count + 1))
        grep -qrF "\"$name\"" tests/outside || missing="$missing
  $name"
    done <<END
$(named "$document")
END
    # A row without a test is a promise without one; a dash says that there is none, and why stands in the row.
    bare=$(sed -n '/^| ---/d; s/^|.*| \([^|]*\) |$/\1/p' "$document" | grep -cv -e '`' -e '^–$' -e '^our test$' -e '^test$')
    if [ "$count" -lt 15 ]; then
        echo "FAIL $document names tests that exist: only $count names found"
        failed=1
    elif [ -n "$missing" ]; then
        echo "$document names, and tests/outside has not:$missing"
        echo "FAIL $document names tests that exist: see above"
        failed=1
    elif [ "$bare" != 0 ]; then
        echo "FAIL $document names tests that exist: $bare rows have none"
        failed=1
    else
        echo "ok $document names tests that exist"
    fi
done
exit $failed
