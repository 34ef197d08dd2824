# `make deb-source`: the Debian source package of the tarball of `make dist`, in build/deb. `make deb`: that, and the packages
# built of it with the Rust that is here. `make check-deb`: built without network with Debian's own Rust, in a Debian that has what
# Build-Depends names and nothing else; what lintian says; and whether the packages can be installed, used and taken away again in a
# Debian that has only what they depend on. Needs root, and the mirror that apt uses here. Both are made of DEB_SUITE, since an older
# Debian has no Rust that will do, and are kept in build/deb-root: away with it to get new ones.

DEB_SUITE ?= sid

.PHONY: deb deb-source check-deb

deb: ## release: the packages of the Debian source package, built with the Rust that is here
deb-source: ## release: the Debian source package of that tarball, in build/deb
deb deb-source: dist
	@tests/packages debhelper dpkg-dev python3
	@packaging/make-deb $(if $(filter deb-source,$@),--source)

# That `make deb` builds it too is tried first.
check-deb: deb ## release: the Debian source package, built without network, installed and used in a clean Debian
	@tests/packages mmdebstrap util-linux python3
	@DEB_SUITE=$(DEB_SUITE) tests/run tests/deb.sh@5400
