# make install, install-strip, uninstall: what goes where. Needs a `make` before and no more: no cargo, and no write access
# to the source tree. Paths may hold blanks.

# What is there of each: name in the source tree, and the folder it goes to.
MAN_PAGES := $(sort $(wildcard man/*.[1-8]))
COMPLETIONS_BASH := $(DATADIR)/bash-completion/completions
COMPLETIONS_ZSH := $(DATADIR)/zsh/site-functions
COMPLETIONS_FISH := $(DATADIR)/fish/vendor_completions.d

INSTALLED_LIB := libec_security.so.$(VERSION)

.PHONY: install install-strip uninstall built

# A missing build, or one older than its sources, is made first; else nothing is run that could write here or need cargo.
built:
	@if [ ! -e build/made ] || \
	    [ -n "$$(find Cargo.toml Cargo.lock build.rs ec_security.map include src -newer build/made)" ]; then \
	    $(MAKE) --no-print-directory all; \
	fi

# In ec_security.pc, folders below PREFIX are told in terms of it, so that `pkg-config --define-prefix` can move them.
install: built
	$(INSTALL) -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)" "$(DESTDIR)$(PKGCONFIGDIR)" "$(DESTDIR)$(SBINDIR)" \
	    "$(DESTDIR)$(COMPLETIONS_BASH)" "$(DESTDIR)$(COMPLETIONS_ZSH)" "$(DESTDIR)$(COMPLETIONS_FISH)"
	$(INSTALL) -m 644 include/ec_security.h "$(DESTDIR)$(INCLUDEDIR)/ec_security.h"
	$(INSTALL) -m 755 build/$(SONAME) "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)"
	ln -sf $(INSTALLED_LIB) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libec_security.so"
	$(INSTALL) -m 644 build/libec_security.a "$(DESTDIR)$(LIBDIR)/libec_security.a"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|=$(PREFIX)/|=$${prefix}/|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' \
	    ec_security.pc.in >"$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc"
	chmod 644 "$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc"
	$(INSTALL) -m 755 build/ec-security "$(DESTDIR)$(SBINDIR)/ec-security"
	$(INSTALL) -m 644 completions/ec-security.bash "$(DESTDIR)$(COMPLETIONS_BASH)/ec-security"
	$(INSTALL) -m 644 completions/_ec-security "$(DESTDIR)$(COMPLETIONS_ZSH)/_ec-security"
	$(INSTALL) -m 644 completions/ec-security.fish "$(DESTDIR)$(COMPLETIONS_FISH)/ec-security.fish"
	for page in $(MAN_PAGES); do \
	    $(INSTALL) -d "$(DESTDIR)$(MANDIR)/man$${page##*.}" && \
	    $(INSTALL) -m 644 "$$page" "$(DESTDIR)$(MANDIR)/man$${page##*.}/" || exit 1; \
	done
	@$(tell_loader)

# --strip-unneeded of an archive would take nothing that a link needs; of the shared library neither.
install-strip: install
	$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libec_security.a"
	$(STRIP) "$(DESTDIR)$(SBINDIR)/ec-security"

uninstall:
	rm -f "$(DESTDIR)$(INCLUDEDIR)/ec_security.h" "$(DESTDIR)$(LIBDIR)/libec_security.so" \
	    "$(DESTDIR)$(LIBDIR)/$(SONAME)" "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)" "$(DESTDIR)$(LIBDIR)/libec_security.a" \
	    "$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc" "$(DESTDIR)$(SBINDIR)/ec-security" \
	    "$(DESTDIR)$(COMPLETIONS_BASH)/ec-security" "$(DESTDIR)$(COMPLETIONS_ZSH)/_ec-security" \
	    "$(DESTDIR)$(COMPLETIONS_FISH)/ec-security.fish"
	for page in $(MAN_PAGES); do \
	    rm -f "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}" || exit 1; \
	done
	@$(tell_loader)

# The loader finds a library in its folders only once its cache is told; a staged install leaves that to the package.
tell_loader = \
	if [ -z "$(DESTDIR)" ] && command -v ldconfig >/dev/null; then \
	    if ldconfig -NXv 2>/dev/null | grep -qF "$(LIBDIR):"; then \
	        [ "$$(id -u)" != 0 ] || ldconfig; \
	    elif [ $@ = install ]; then \
	        echo "note: the loader does not search $(LIBDIR); link with -Wl,-rpath,$(LIBDIR), or name it in /etc/ld.so.conf"; \
	    fi; \
	fi
