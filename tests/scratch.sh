# shellcheck shell=sh disable=SC2034 # read by whoever reads this
# What the tests written in sh begin with that need a directory of their own: $work, which is gone when they end.
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
top=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Under tests/as-root the directory is looked into by other users too.
chmod 755 "$work"
failed=0
# Those of the make this runs in are not meant for the makes below.
unset MAKEFLAGS MFLAGS MAKELEVEL

. tests/verdict.sh
