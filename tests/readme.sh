#!/bin/sh
# The README's code does what it says: its programs are compiled and run, its commands are run, its messages are real.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh

tests/blocks README.md "$work"
rm -f "$work"/*.says
kinds=$(cd "$work" && echo [0-9]*.*)
wanted="01.text 02.sh 03.c 04.sh 05.sh 06.python 07.conf 08.text"
# A new block must get its test here.
verdict "README has the blocks that are tried here" "$([ "$kinds" = "$wanted" ] || echo "it has $kinds, not $wanted")"
[ "$failed" = 0 ] || exit 1

# The user "ecuser", where there can be one; and lookups by files only, for the program that has glibc inside.
cat >"$work/with-ecuser" <<'END'
"$EC_TESTS/private-etc" "passwd+$EC_WORK/passwd" "group+$EC_WORK/group" "nsswitch.conf=$EC_WORK/nsswitch.conf" || exit 99
exec "$@"
END
echo 'ecuser:x:4711:4712::/nonexistent:/bin/false' >"$work/passwd"
echo 'ecuser:x:4712:' >"$work/group"
printf 'passwd: files\ngroup: files\n' >"$work/nsswitch.conf"
with_ecuser() { EC_WORK=$work EC_TESTS=$top/tests unshare --mount sh "$work/with-ecuser" "$@" 2>&1; }

# drops NAME COMMAND...: it drops, silently; or, where there is no other id, it says what was refused.
if awk '4711 >= $1 && 4711 < $1 + $3 { found = 1 } END { exit !found }' /proc/self/uid_map; then
    drops() {
        name=$1
        shift
        if said=$(with_ecuser "$@") && [ -z "$said" ]; then
            verdict "$name: drops" ""
        else
            verdict "$name: drops" "it says: $said"
        fi
    }
else
    drops() {
        name=$1
        shift
        said=$(with_ecuser "$@")
        status=$?
        verdict "$name: is refused, since there is no other id here" "$(
            [ $status = 1 ] && echo "$said" | grep -q 'nothing was changed' || echo "status $status: $said"
        )"
    }
fi

# --- make demo, make check, make, sudo make install -----------------------------------------------------------------------

commands=$(cat "$work/02.sh" "$work/04.sh" | sed 's/ *#.*//')
verdict "README names these commands" "$(
    [ "$commands" = "$(printf 'make demo\nmake check\nmake check-runtimes\nmake check-daemons\nmake\nsudo make install')" ] || echo "$commands"
)"
said=$(make demo 2>&1)
status=$?
verdict "make demo shows what the README promises" "$(
    [ $status = 0 ] || echo "status $status"
    echo "$said" | grep -q '^5 threads, all alike' || echo "no last line"
    echo "$said" | grep -q 'bound 127.0.0.1:[0-9]*, a port below 1024, after the drop' || echo "no port"
    [ "$(echo "$said" | grep -c ' cap_net_bind_service=ep ')" = 5 ] || echo "not five threads with the capability"
    [ $status = 0 ] || echo "$said"
)"
# This is part of it; that it would start is all that can be tried here.
for target in check check-runtimes check-daemons; do
    verdict "make $target would run" "$(make -n $target >/dev/null 2>"$work/said" || cat "$work/said")"
done
verdict "make, make install" "$(make install PREFIX="$work/prefix" >"$work/said" 2>&1 || cat "$work/said")"
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"

# --- the ten lines, by each of the link lines ------------------------------------------------------------------------------

cp "$work/03.c" "$work/server.c"
verdict "the ten lines compile as C99 without a word" "$(
    # shellcheck disable=SC2046 # flags are words
    ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(pkg-config --cflags ec_security) \
        "$work/server.c" 2>&1
)"
grep -v '^#' "$work/05.sh" >"$work/lines"
verdict "three link lines" "$([ "$(grep -c '^cc ' "$work/lines")" = 3 ] && [ "$(wc -l <"$work/lines")" = 3 ] || cat "$work/lines")"
n=0
while IFS= read -r line; do
    n=$((n + 1))
    rm -f "$work/a.out"
    verdict "link line $n" "$(cd "$work" && sh -c "$line" >said 2>&1 || cat said)"
    drops "link line $n" "$work/a.out"
done <"$work/lines"

# --- Python, the stanza, the messages ----------------------------------------------------------------------------------------

export PYTHONPATH="$top/cbindings-tests/python"
drops "Python" "${PYTHON:-python3}" "$work/06.python"

cp "$work/07.conf" "$work/server.conf"
cat >"$work/stanza.py" <<'END'
import sys
import ec_security
try:
    policy = ec_security.Policy()
    policy.load(sys.argv[1])
    policy.apply()
except ec_security.Error as error:
    sys.exit(str(error))
END
drops "the stanza" "${PYTHON:-python3}" "$work/stanza.py" "$work/server.conf"

# Each message is provoked, and must be in the README to the letter.
cat >"$work/messages.py" <<'END'
import os
import ec_security

def said(call, *arguments):
    try:
        call(*arguments)
    except ec_security.Error as error:
        print(error)
    else:
        print("not refused:", arguments)

said(ec_security.apply, None, None, "cap_net_bnd_service+ep")
# Whatever this process holds, it no longer holds that one.
ec_security.apply(None, None, "cap_chown+ep")
said(ec_security.apply, None, None, "cap_sys_resource+ep")
said(ec_security.apply, 12345)
os.umask(0o022)
with open("server.conf", "w") as conf:
    conf.write('Security {\n  user = root\n  group = root\n  Capabilites = "cap_net_bind_service+ep"\n}\n')
said(ec_security.Policy().load, "server.conf")
END
mkdir "$work/messages"
said=$(cd "$work/messages" && "${PYTHON:-python3}" "$work/messages.py" 2>&1)
verdict "the messages are those of the library" "$([ "$said" = "$(cat "$work/08.text")" ] || echo "$said")"
exit $failed
