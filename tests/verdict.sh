# shellcheck shell=sh disable=SC2034 # failed is read by whoever reads this
# What the tests written in sh have in common; each sets failed=0 and ends with that.

# verdict NAME PROBLEM: the case has passed if there is no problem.
verdict() {
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "FAIL $1: $(echo "$2" | tail -c 3000 | tr '\n' ' ')"
        failed=1
    fi
}

# silent COMMAND...: what it says if it fails.
silent() { said=$("$@" 2>&1) || echo "$said (exit status not 0: $*)"; }
