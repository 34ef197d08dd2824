# `make deb`: Debian packages in build/deb, made from what `make install` installs. `make check-deb`: lintian, and whether they
# can be installed, used and taken away again in a Debian that has nothing else. Needs root, and the mirror that apt uses here.
# The clean Debian is kept in build/deb-root; away with it to get a new one.

.PHONY: deb check-deb

deb:
	@tests/packages debhelper dpkg-dev python3
	@$(MAKE) --no-print-directory built
	@packaging/make-deb

check-deb: deb
	@tests/packages lintian mmdebstrap util-linux python3
	@tests/run tests/deb.sh@3600
