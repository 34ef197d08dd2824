#!/bin/sh
# The recipes of build/packaging: RPM by rpmbuild, without network; those of Alpine and Arch by running their functions, as abuild and
# makepkg do, with what `make dist` has made.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
tarball=$top/build/packaging/ec_security-$version.tar.xz
verdict "nothing is left to fill in" "$(grep -n '@[A-Z0-9]*@' build/packaging/*.spec build/packaging/*BUILD)"

# --- RPM ----------------------------------------------------------------------------------------------------------------

mkdir -p "$work/rpm/SOURCES" && cp "$tarball" "$work/rpm/SOURCES/"
# What the recipe requires are packages of other distributions.
verdict "rpmbuild -ba, without network" "$(
    silent unshare --net rpmbuild -ba --nodeps --define "_topdir $work/rpm" build/packaging/ec_security.spec | tail -n 20)"
verdict "rpmbuild has made four packages and a source" "$(
    n=$(find "$work/rpm" -name '*.rpm' | wc -l); [ "$n" = 5 ] || echo "there are $n")"
[ $failed = 0 ] || exit 1
verdict "an RPM finds its library by its name" "$(
    rpm -qp --provides "$work"/rpm/RPMS/*/ec_security-"$version"*.rpm | grep -q '^libec_security.so.0(EC_SECURITY_0)' || echo "it does not")"
# Not what is a distribution's to say or do (signature, packager, group, compression, ldconfig by trigger, debug information in a
# package of its own), nor what this old rpmlint does not know: GNU hashes, licences by SPDX, section 5 for any file format.
# shellcheck disable=SC2046 # no path has a blank
rpmlint build/packaging/ec_security.spec $(find "$work/rpm" -name '*.rpm') >"$work/rpmlint" 2>&1
sed 's/^/rpmlint: /' "$work/rpmlint"
verdict "rpmlint has no other error than what a distribution adds" "$(
    grep -q 'packages and 1 specfiles checked' "$work/rpmlint" || cat "$work/rpmlint"
    grep ' E: ' "$work/rpmlint" | grep -v -e no-signature \
        -e no-packager-tag -e no-group-tag -e library-without-ldconfig -e missing-hash-section -e bad-manual-page-folder \
        -e static-library-without-debuginfo -e 'non-versioned-file-in-library-package /usr/lib/.build-id')"

# --- Arch and Alpine ----------------------------------------------------------------------------------------------------

verdict "shellcheck: PKGBUILD" "$(shellcheck -s bash -e SC2034,SC2154,SC2164 build/packaging/PKGBUILD)"
verdict "shellcheck: APKBUILD" "$(shellcheck -s sh -e SC2034,SC2154,SC2164 build/packaging/APKBUILD)"

# functions RECIPE FUNCTION...: each as its tool calls it, in the directory it starts in, and an error ends it.
functions() {
    recipe=$1
    shift
    srcdir=$work/$recipe/src pkgdir=$work/$recipe/pkg
    mkdir -p "$srcdir" "$pkgdir" && tar -xf "$tarball" -C "$srcdir" || return
    silent unshare --net env srcdir="$srcdir" pkgdir="$pkgdir" startdir="$top/build/packaging" bash -c '
        set -e
        . "$startdir/'"$recipe"'"
        for function; do
            cd "${builddir:-$srcdir}"
            "$function"
        done' bash "$@" | tail -n 20
}
verdict "PKGBUILD: build, check and package, without network" "$(functions PKGBUILD build check package)"
verdict "PKGBUILD: its checksum is the tarball's" "$(
    grep -q "$(sha256sum <"$tarball" | cut -d ' ' -f 1)" build/packaging/PKGBUILD || echo "it is not")"
verdict "APKBUILD: build, check and package, without network" "$(functions APKBUILD build check package)"
verdict "APKBUILD: its checksum is the tarball's" "$(
    grep -q "$(sha512sum <"$tarball" | cut -d ' ' -f 1)" build/packaging/APKBUILD || echo "it is not")"
for file in usr/lib/libec_security.so.0 usr/lib/libec_security.a usr/include/ec_security.h usr/share/man/man8/ec-security.8; do
    verdict "both have $file" "$(ls "$work/PKGBUILD/pkg/$file" "$work/APKBUILD/pkg/$file" 2>&1 >/dev/null)"
done
exit $failed
