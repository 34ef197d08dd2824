#!/bin/sh
# What the documents name exists: tests, files, targets of make. The picture is the one its script draws.
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

problem=$("${PYTHON:-python3}" - <<'END'
import glob, os, re

makefiles = "".join(open(path).read() for path in ["Makefile", *glob.glob("mk/*.mk")])
targets = {name for line in re.findall(r"^([\w /-]+):(?!=)", makefiles, re.M) for name in line.split()}
count = 0
for document in glob.glob("*.md") + glob.glob("docs/*.md") + glob.glob("cbindings-tests/*.md"):
    text = open(document).read()
    for link, part in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", text):
        count += 1
        path = os.path.normpath(os.path.join(os.path.dirname(document), link)) if link else document
        if not os.path.exists(path):
            print(f"{document} links to {link}")
        elif part:
            heads = re.findall(r"^#+ (.*)$", open(path).read(), re.M)
            if part not in [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]:
                print(f"{document} links to {link}#{part}")
    # A name with a star, or in capitals, stands for several.
    for path in re.findall(r"`((?:docs|tests|mk|src|benches|man|cbindings-tests|packaging)/[a-z0-9_./-]*)`", text):
        count += 1
        if not os.path.exists(path):
            print(f"{document} names {path}")
    # In a line of prose it begins with a backquote, in a block of code it is a line.
    blocks = "\n".join(re.findall(r"^```.*?^```", text, re.M | re.S))
    words = r"((?: +[a-z][a-z-]*(?=[\s`#;&|]|$))+)"
    lines = re.findall("(?:`|^    )make" + words, text, re.M) + re.findall("^(?:sudo )?make" + words, blocks, re.M)
    for target in " ".join(lines).split() + re.findall(r"`(check-[a-z-]+)`", text):
        count += 1
        if target not in targets:
            print(f"{document} names make {target}")
if count < 100:
    print(f"only {count} names found")
END
) || problem="$problem (failed)"
if [ -n "$problem" ]; then
    echo "$problem"
    echo "FAIL the documents name files and targets of make that exist: see above"
    failed=1
else
    echo "ok the documents name files and targets of make that exist"
fi

problem=$("${PYTHON:-python3}" - <<'END'
import glob, re, subprocess

makefiles = "".join(open(path).read() for path in ["Makefile", *glob.glob("mk/*.mk")])
phony = {name for line in re.findall(r"^\.PHONY: (.*)$", makefiles, re.M) for name in line.split()} - {"FORCE"}
helped = re.findall(r"^([a-z-]+):.* ## (.*?): ", makefiles, re.M)
made = subprocess.run(["make", "--no-print-directory", "help"], capture_output=True, text=True, check=True).stdout
printed = re.findall(r"^  (\S+) +\S", made, re.M)
for name in sorted(phony - {name for name, _ in helped}):
    print(f"{name} has no help")
for name in sorted({name for name, _ in helped} - phony):
    print(f"{name} has help and is not in .PHONY")
if sorted(printed) != sorted(name for name, group in helped if group != "internal"):
    print(f"make help prints {' '.join(sorted(printed))}")
if len(printed) < 40:
    print(f"make help prints {len(printed)} targets")
END
) || problem="$problem (failed)"
if [ -n "$problem" ]; then
    echo "$problem"
    echo "FAIL make help has a line for each target that a person types: see above"
    failed=1
else
    echo "ok make help has a line for each target that a person types"
fi

if "${PYTHON:-python3}" docs/flow.py | cmp -s - docs/flow.svg; then
    echo "ok docs/flow.svg is what docs/flow.py draws"
else
    echo "FAIL docs/flow.svg is what docs/flow.py draws: python3 docs/flow.py > docs/flow.svg"
    failed=1
fi
exit $failed
