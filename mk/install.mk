# make install, install-strip, uninstall: what goes where. Needs a `make` before and no more: no cargo, and no write access
# to the source tree. Paths may hold spaces.

# What is there of each: name in the source tree, and the directory it goes to.
MAN_PAGES := $(sort $(wildcard man/*.[1-8]))
COMPLETIONS_BASH := $(DATADIR)/bash-completion/completions
COMPLETIONS_ZSH := $(DATADIR)/zsh/site-functions
COMPLETIONS_FISH := $(DATADIR)/fish/vendor_completions.d

INSTALLED_LIB := libec_security.so.$(VERSION)

# The CMake package tells where library and header are as seen from its own directory, so that all can be moved together.
CMAKEDIR ?= $(LIBDIR)/cmake/ec_security
CMAKE_FILES := ec_security-config.cmake ec_security-config-version.cmake

.PHONY: install install-strip uninstall built

# A missing build, or one older than its sources, is made first; else nothing is run that could write here or need cargo.
built: ## internal: a build, if there is none that is newer than its sources
	@if [ ! -e build/made ] || \
	    [ -n "$$(find Cargo.toml Cargo.lock build.rs ec_security.map include src -newer build/made)" ]; then \
	    $(MAKE) --no-print-directory all; \
	fi

# In ec_security.pc, directories below PREFIX are told in terms of it, so that `pkg-config --define-prefix` can move them.
install: built ## use: header, libraries, ec_security.pc, command, man pages, completions; PREFIX= DESTDIR= LIBDIR=
	$(INSTALL) -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)" "$(DESTDIR)$(PKGCONFIGDIR)" "$(DESTDIR)$(SBINDIR)" \
	    "$(DESTDIR)$(CMAKEDIR)" "$(DESTDIR)$(COMPLETIONS_BASH)" "$(DESTDIR)$(COMPLETIONS_ZSH)" "$(DESTDIR)$(COMPLETIONS_FISH)"
	$(INSTALL) -m 644 include/ec_security.h "$(DESTDIR)$(INCLUDEDIR)/ec_security.h"
	$(INSTALL) -m 755 build/$(SONAME) "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)"
	ln -sf $(INSTALLED_LIB) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libec_security.so"
	$(INSTALL) -m 644 build/libec_security.a "$(DESTDIR)$(LIBDIR)/libec_security.a"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|=$(PREFIX)/|=$${prefix}/|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' \
	    ec_security.pc.in >"$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc"
	chmod 644 "$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc"
	@$(install_cmake)
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
install-strip: install ## use: the same, stripped of symbols and debug information
	$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libec_security.a"
	$(STRIP) "$(DESTDIR)$(SBINDIR)/ec-security"

uninstall: ## use: takes all that away again
	rm -f "$(DESTDIR)$(INCLUDEDIR)/ec_security.h" "$(DESTDIR)$(LIBDIR)/libec_security.so" \
	    "$(DESTDIR)$(LIBDIR)/$(SONAME)" "$(DESTDIR)$(LIBDIR)/$(INSTALLED_LIB)" "$(DESTDIR)$(LIBDIR)/libec_security.a" \
	    "$(DESTDIR)$(PKGCONFIGDIR)/ec_security.pc" "$(DESTDIR)$(SBINDIR)/ec-security" \
	    "$(DESTDIR)$(COMPLETIONS_BASH)/ec-security" "$(DESTDIR)$(COMPLETIONS_ZSH)/_ec-security" \
	    "$(DESTDIR)$(COMPLETIONS_FISH)/ec-security.fish"
	rm -f $(foreach file,$(CMAKE_FILES),"$(DESTDIR)$(CMAKEDIR)/$(file)")
	[ ! -d "$(DESTDIR)$(CMAKEDIR)" ] || rmdir "$(DESTDIR)$(CMAKEDIR)"
	for page in $(MAN_PAGES); do \
	    rm -f "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}" || exit 1; \
	done
	@$(tell_loader)

# The loader finds a library in its directories only once its cache is told; a staged install leaves that to the package.
tell_loader = \
	if [ -z "$(DESTDIR)" ] && command -v ldconfig >/dev/null; then \
	    if ldconfig -NXv 2>/dev/null | grep -qF "$(LIBDIR):"; then \
	        [ "$$(id -u)" != 0 ] || ldconfig; \
	    elif [ $@ = install ]; then \
	        echo "note: the loader does not search $(LIBDIR); link with -Wl,-rpath,$(LIBDIR), or name it in /etc/ld.so.conf"; \
	    fi; \
	fi

# The fifth byte of an ELF file is 1 for 32 bits, 2 for 64. A realpath that knows no --relative-to leaves absolute names.
install_cmake = \
	from_here() { realpath -m --relative-to="$(CMAKEDIR)" "$$1" 2>/dev/null || echo "$$1"; }; \
	for file in $(CMAKE_FILES); do \
	    sed -e "s|@INCLUDEDIR@|$$(from_here "$(INCLUDEDIR)")|" -e "s|@LIBDIR@|$$(from_here "$(LIBDIR)")|" \
	        -e 's|@VERSION@|$(VERSION)|' -e 's|@SONAME@|$(SONAME)|' \
	        -e 's|@LINK_OPTIONS@|$(subst $(space),;,$(filter-out -pthread,$(LIBS_PRIVATE)))|' \
	        -e "s|@POINTER_SIZE@|$$(($$(od -An -tu1 -j4 -N1 build/$(SONAME)) * 4))|" \
	        cmake/$$file.in >"$(DESTDIR)$(CMAKEDIR)/$$file" && \
	    chmod 644 "$(DESTDIR)$(CMAKEDIR)/$$file" || exit 1; \
	done
