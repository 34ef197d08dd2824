#!/bin/sh
# The packages of build/deb: what lintian says, and whether they can be installed, used and taken away again in a clean
# Debian. That is made once, in build/deb-root/clean, and each run works on a layer above it, which is thrown away. Where it
# comes from is what apt is configured for on this machine.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C
top=$PWD
clean=$top/build/deb-root/clean
work=$top/build/deb-root/work
failed=0

. tests/verdict.sh

mkdir -p "$work"

# --- the packages by themselves -----------------------------------------------------------------------------------------

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
arch=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
packages="libec-security0 libec-security-dev ec-security"
verdict "there are the three packages, of version $version" "$(for name in $packages; do
    ls "build/deb/${name}_$version-1_$arch.deb" 2>&1 >/dev/null
done)"
[ $failed = 0 ] || exit 1

# Warnings are shown, errors fail. Lintian would rather not be root.
lintian --allow-root --fail-on error "build/deb/ec-security_$version-1_$arch.changes" >build/deb-root/lintian 2>&1
status=$?
sed 's/^/lintian: /' build/deb-root/lintian
verdict "lintian has no error" "$([ $status = 0 ] || echo "exit status $status, $(grep '^E' build/deb-root/lintian)")"
verdict "a program built with libec-security-dev depends on libec-security0" "$(
    dpkg-deb --ctrl-tarfile "build/deb/libec-security0_$version-1_$arch.deb" | tar -xO ./symbols >build/deb-root/symbols ||
        echo "no symbols"
    grep -q '^ ec_security_apply@EC_SECURITY_0 ' build/deb-root/symbols || cat build/deb-root/symbols
)"

# --- a clean Debian -----------------------------------------------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
    echo "FAIL a clean Debian: only root can make one"
    exit 1
fi
if [ ! -e "$clean/etc/debian_version" ]; then
    # mirror: its address, the release, the component. Without lists apt does not know whose they are.
    mirror() {
        apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
            'Label: Debian' | grep -v -e '-updates ' -e '-backports ' | grep ' main$' | head -n 1
    }
    [ -n "$(mirror)" ] || apt-get update >/dev/null
    read -r site release component <<END
$(mirror)
END
    if [ -z "$component" ]; then
        echo "FAIL a clean Debian: apt knows no mirror of Debian here"
        exit 1
    fi
    # apt may know of a proxy that the environment does not.
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "${proxy:-}" ] || export http_proxy="${http_proxy:-$proxy}"
    rm -rf "$clean.new"
    echo "(making a clean Debian $release; it is kept)"
    problem=$(silent mmdebstrap --quiet --mode=root --variant=minbase --include=gcc,libc6-dev,pkg-config,man-db \
        "$release" "$clean.new" "deb $site $release $component")
    verdict "a clean Debian can be made" "$problem"
    [ -z "$problem" ] || exit 1
    mv "$clean.new" "$clean"
fi

# The rest runs in a mount namespace, which takes the layer away with it.
cat >build/deb-root/in-layer <<'END'
mount --make-rprivate / && mount -t tmpfs none "$work" && mkdir "$work/upper" "$work/layer" "$work/root" &&
    mount -t overlay -o "lowerdir=$clean,upperdir=$work/upper,workdir=$work/layer" none "$work/root" &&
    mount -t proc none "$work/root/proc" || exit 99
exec sh "$1"
END
cat >build/deb-root/cases <<'END'
inside() { chroot "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

# All but what dpkg, ldconfig and man-db keep of their own work.
listing() {
    (cd "$work/root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/cache -o -path ./var/log \
        -o -path ./etc/ld.so.cache -o -path ./packages \) -prune -o -printf '%y %m %u %g %p %l\n' | sort)
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
{
    cat tests/verdict.sh
    cat build/deb-root/cases
} >build/deb-root/all-cases
export clean work packages version arch multiarch failed
unshare --mount sh build/deb-root/in-layer build/deb-root/all-cases
status=$?
[ $status != 99 ] || echo "FAIL a layer above the clean Debian: cannot be mounted"
[ $status = 0 ] || failed=1
exit $failed
