#!/bin/sh
# The source package of build/deb: built in a Debian that has what Build-Depends names, without network; what lintian says; and
# whether the packages can be installed, used and taken away again in a clean Debian. The two are made once, in build/deb-root, and
# each run works on a layer above, which is thrown away; what the builds and lintian said stays in build/deb/*.log. Where the two
# come from is what apt is configured for on this machine; the release is DEB_SUITE.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C
top=$PWD
suite=${DEB_SUITE:-sid}
clean=$top/build/deb-root/clean-$suite
building=$top/build/deb-root/build-$suite
work=$top/build/deb-root/work
failed=0

. tests/verdict.sh

mkdir -p "$work"
if [ "$(id -u)" != 0 ]; then
    echo "FAIL a clean Debian: only root can make one"
    exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
arch=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
packages="libec-security0 libec-security-dev ec-security"
verdict "there is a source package of version $version" "$(
    for name in "_$version-1.dsc" "_$version-1.debian.tar.xz" "_$version.orig.tar.xz"; do
        ls "build/deb/ec-security$name" 2>&1 >/dev/null
    done)"
[ $failed = 0 ] || exit 1

# --- two Debians --------------------------------------------------------------------------------------------------------

# made DIRECTORY VARIANT PACKAGES
made() {
    [ ! -e "$1/etc/debian_version" ] || return 0
    # Any mirror of Debian that apt knows has the other releases too. Without lists it does not know whose they are.
    mirror() {
        apt-get indextargets --format '$(SITE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
            grep ' main$' | head -n 1
    }
    [ -n "$(mirror)" ] || apt-get update >/dev/null
    read -r site component <<END
$(mirror)
END
    if [ -z "$component" ]; then
        echo "apt knows no mirror of Debian here"
        return 1
    fi
    # apt may know of a proxy that the environment does not.
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "${proxy:-}" ] || export http_proxy="${http_proxy:-$proxy}"
    rm -rf --one-file-system "$1.new"
    # A mirror may be a snapshot, older than its lists say they are good for.
    silent mmdebstrap --quiet --mode=root --variant="$2" --aptopt='Acquire::Check-Valid-Until "false"' --include="$3" \
        "$suite" "$1.new" "deb $site $suite $component" && [ -e "$1.new/etc/debian_version" ] && mv "$1.new" "$1"
}
verdict "a Debian $suite to build in can be had" "$(made "$building" buildd debhelper,rustc,cargo,libcap-dev,python3,lintian,man-db)"
verdict "a clean Debian $suite can be had" "$(made "$clean" minbase gcc,libc6-dev,pkgconf,man-db)"
[ $failed = 0 ] || exit 1

# in_layer BELOW SCRIPT: the script runs with $work/root as a layer above BELOW, in a mount namespace that takes it away again.
cat >build/deb-root/in-layer <<'END'
mount --make-rprivate / && mount -t tmpfs none "$work" && mkdir "$work/upper" "$work/layer" "$work/root" &&
    mount -t overlay -o "lowerdir=$1,upperdir=$work/upper,workdir=$work/layer" none "$work/root" &&
    mount -t proc none "$work/root/proc" && mount --bind /dev "$work/root/dev" || exit 99
# Not chroot: inside one the kernel makes no user namespaces, which some tests want.
inside() {
    unshare --mount sh -c 'cd "$1" && shift && pivot_root . mnt && umount -l mnt && exec chroot . env -i LC_ALL=C \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"' inside "$work/root" "$@"
}
. tests/verdict.sh
. "$2"
END
in_layer() {
    # shellcheck disable=SC2086 # one option, or none
    unshare --mount ${3:-} sh build/deb-root/in-layer "$1" "$2"
    status=$?
    [ $status != 99 ] || echo "FAIL a layer above $1: cannot be mounted"
    [ $status = 0 ] || failed=1
}
export work packages version arch multiarch failed

# --- built without network ----------------------------------------------------------------------------------------------

cat >build/deb-root/build <<'END'
log=build/deb/build.log
mkdir "$work/root/build"
cp build/deb/*.dsc build/deb/*.tar.xz "$work/root/build/"
verdict "there is no network" "$(inside tail -n +2 /proc/net/route)"
verdict "dpkg-source unpacks it" "$(silent inside sh -c 'cd /build && dpkg-source --no-check -x *.dsc source')"
verdict "dpkg-buildpackage: Build-Depends, source, packages, clean" "$(
    inside sh -c 'cd /build/source && dpkg-buildpackage --no-sign' >"$log" 2>&1
    [ -e "$work/root/build/ec-security_$version-1_$arch.changes" ] ||
        { grep FAIL "$log"; tail -n 10 "$log"; echo "(all of it: $log)"; })"
[ $failed = 0 ] || exit 1
grep '^[0-9]* passed' "$log" | sed 's/^/(its tests: /; s/$/)/'
verdict "dpkg-buildflags reach both links" "$(
    grep -q -e '-z,noexecstack .*-Wl,-z,relro' "$log" || echo "no LDFLAGS for the shared library"
    grep -q -e '-Clink-arg=-Wl,-z,relro' "$log" || echo "no LDFLAGS for the command")"
# A second time, from the same source: the same packages.
verdict "built again in another directory, the packages are the same" "$(
    inside sh -c 'mkdir -p /again/deeper && cp /build/*.dsc /build/*.orig.tar.xz /build/*.debian.tar.xz /again/deeper &&
        cd /again/deeper && dpkg-source --no-check -x *.dsc source && cd source && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b --no-sign' \
        >build/deb/again.log 2>&1 || { tail -n 20 build/deb/again.log; echo "(all of it: build/deb/again.log)"; }
    for file in "$work"/root/build/*.deb; do cmp "$file" "$work/root/again/deeper/${file##*/}" 2>&1; done)"
# Of Debian's latest. A bug number comes with the first upload; where the sources are is for the host to fill in, in Cargo.toml.
hosts='no host'
grep -q '^repository' Cargo.toml || hosts='no-homepage-field|debian-watch-file-is-missing|upstream-metadata-file-is-missing'
inside sh -c 'cd /build && lintian --allow-root -EvIL +pedantic *_'"$arch"'.changes' >build/deb/lintian.log 2>&1
sed 's/^/lintian: /' build/deb/lintian.log
verdict "lintian -EvIL +pedantic says nothing but that no bug is closed" \
    "$(grep '^[A-Z]:' build/deb/lintian.log |
        grep -vE "^N:|initial-upload-closes-no-bugs|$hosts")"
cp "$work"/root/build/*.deb "$work"/root/build/*.changes "$work"/root/build/*.buildinfo build/deb/
for file in build/deb/*.deb; do echo "($file: $(stat -c %s "$file") bytes)"; done
exit $failed
END
in_layer "$building" build/deb-root/build --net
[ $failed = 0 ] || exit 1
verdict "a program built with libec-security-dev depends on libec-security0" "$(
    dpkg-deb --ctrl-tarfile "build/deb/libec-security0_$version-1_$arch.deb" | tar -xO ./symbols >build/deb-root/symbols ||
        echo "no symbols"
    grep -q '^ ec_security_apply@EC_SECURITY_0 ' build/deb-root/symbols || cat build/deb-root/symbols
)"

# --- used in a clean one ------------------------------------------------------------------------------------------------

cat >build/deb-root/cases <<'END'
# All but what dpkg, ldconfig, man-db and the umount of inside() keep of their own work.
listing() {
    (cd "$work/root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/cache -o -path ./var/log \
        -o -path ./etc/ld.so.cache -o -path ./run/mount -o -path ./packages -o -path ./dev \) -prune \
        -o -printf '%y %m %u %g %p %l\n' | sort)
}

mkdir "$work/root/packages"
for name in $packages; do
    cp "build/deb/${name}_$version-1_$arch.deb" "$work/root/packages/"
done
verdict "nothing of ours is there before" "$(listing | grep 'ec.security')"
listing >"$work/before"
verdict "dpkg installs them" "$(silent inside sh -c 'dpkg -i /packages/*.deb')"
verdict "dpkg finds nothing amiss" "$(inside dpkg --audit; silent inside dpkg --verify $packages)"

cp cbindings-tests/c/drop.c "$work/root/packages/x.c"
cp packaging/debian/tests/link "$work/root/packages/link"
verdict "the package's own test, debian/tests/link" "$(silent inside /packages/link)"
verdict 'cc x.c $(pkg-config --cflags --libs ec_security)' "$(
    inside sh -c 'cd /packages && cc x.c $(pkg-config --cflags --libs ec_security) -o x' 2>&1 || echo 'it fails')"
# Each of both lines that it waits for is an end of file.
verdict "what it made drops root for nobody" "$(
    out=$(inside /packages/x nobody nogroup cap_net_bind_service+ep </dev/null 2>&1)
    [ "$out" = "ready
dropped" ] || echo "it says: $out")"
verdict "it needs libec_security.so.0 of the package" "$(
    out=$(inside ldd /packages/x 2>&1)
    echo "$out" | grep -q "libec_security.so.0 => .*/lib/$multiarch/libec_security.so.0" || echo "$out")"
verdict "the static library links" "$(
    inside sh -c 'cd /packages && cc x.c $(pkg-config --cflags ec_security) -Wl,-Bstatic \
        $(pkg-config --static --libs ec_security) -Wl,-Bdynamic -o static' 2>&1 || echo 'it fails')"
verdict "pkg-config knows version $version" "$(
    found=$(inside pkg-config --modversion ec_security); [ "$found" = "$version" ] || echo "it says $found")"
verdict "ec-security --version" "$(inside ec-security --version 2>&1 | grep -F " $version" >/dev/null ||
    inside ec-security --version 2>&1 || echo 'it fails')"
verdict "ec-security show tells of a process" "$(
    out=$(inside sh -c 'ec-security show $$' 2>&1); echo "$out" | grep -q '^ *user  *0 root$' || echo "it says: $out")"
verdict "man finds and shows each page, by each name" "$(for page in man/*.[1-8]; do
    echo "${page##*.} ${page##*/}"
done | inside sh -c 'while read -r section file; do
    name=${file%.*}
    [ -e "/usr/share/man/man$section/$file.gz" ] || echo "no $file.gz"
    man -w "$section" "$name" >/dev/null 2>&1 || echo "man -w $section $name finds nothing"
    man "$section" "$name" 2>&1 | grep -q "$name" || echo "man $section $name does not show it"
done')"
verdict "completions are where the shells look" "$(for file in bash-completion/completions/ec-security \
    zsh/vendor-completions/_ec-security fish/vendor_completions.d/ec-security.fish; do
    [ -s "$work/root/usr/share/$file" ] || echo "no $file"
done)"

verdict "dpkg takes them away" "$(silent inside dpkg --purge $packages)"
listing >"$work/after"
verdict "nothing of them is left" "$(diff "$work/before" "$work/after" | grep '^[<>]')"
verdict "the loader does not know the library any more" "$(inside ldconfig -p | grep ec_security)"
exit $failed
END
in_layer "$clean" build/deb-root/cases
exit $failed
