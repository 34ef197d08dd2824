#!/bin/sh
# What the documents name exists: tests, files, targets of make. The picture is the one its script draws.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
. tests/verdict.sh

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
    [ "$count" -ge 15 ] || missing="$missing
  only $count names found"
    [ "$bare" = 0 ] || missing="$missing
  $bare rows have none"
    verdict "$document names tests that exist" "$missing"
done

problem=$("${PYTHON:-python3}" - <<'END'
import glob, os, re

makefiles = "".join(open(path).read() for path in ["Makefile", *glob.glob("mk/*.mk")])
targets = {name for line in re.findall(r"^([\w /-]+):(?!=)", makefiles, re.M) for name in line.split()}
count = 0
for document in glob.glob("*.md") + glob.glob("docs/*.md") + glob.glob("cbindings-tests/*.md") + glob.glob("tests/*.md"):
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
verdict "the documents name files and targets of make that exist" "$problem"

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
verdict "make help has a line for each target that a person types" "$problem"

problem=$("${PYTHON:-python3}" - <<'END'
import os, re, subprocess

text = open("tests/README.md").read()
outside = subprocess.run(["make", "--no-print-directory", "outside-names"], capture_output=True, text=True, check=True).stdout.split()
for name in re.findall(r"build/outside/([a-z_]+)", text):
    if name not in outside:
        print(f"tests/README.md runs build/outside/{name}")
for name in re.findall(r"cargo test --test ([a-z_]+)", text):
    if not os.path.exists(f"tests/{name}.rs"):
        print(f"tests/README.md runs the test {name}")
named = re.findall(r"`(?:tests/)?([A-Za-z0-9_.-]+)(?:/[^`]*)?`", text)
for name in sorted(os.listdir("tests")):
    if name not in [*named, "README.md"] and not name.startswith((".", "__")):
        print(f"tests/README.md does not name tests/{name}")
for name in outside:
    if f"`{name}`" not in text and f"build/outside/{name}" not in text:
        print(f"tests/README.md does not name the program {name}")
END
) || problem="$problem (failed)"
verdict "tests/README.md names what is in tests, and nothing else" "$problem"

verdict "docs/flow.svg is what docs/flow.py draws" \
    "$("${PYTHON:-python3}" docs/flow.py | cmp -s - docs/flow.svg || echo "python3 docs/flow.py > docs/flow.svg")"
exit $failed
