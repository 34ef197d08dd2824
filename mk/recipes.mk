# `make recipes`: build/packaging, the recipes of RPM, Alpine and Arch with version and checksums filled in, beside the tarball of
# `make dist`. `make check-recipes`: rpmbuild without network; the recipes of Alpine and Arch run function by function, since their
# own tools are no packages of Debian. They cannot say whether the names of packages that they require are right.
#
# `make release`: whether the next commit of main is a release, everything tried; it says what is left to do by hand, and tags nothing.

.PHONY: recipes check-recipes release

recipes: dist ## release: the recipes of RPM, Alpine and Arch, with version and checksums
	@packaging/make-recipes

check-recipes: recipes ## release: these, built without network
	@tests/packages gcc libc6-dev libcap-dev python3 util-linux binutils rpm rpmlint shellcheck
	@tests/run tests/recipes.sh@3600

release: ## release: whether the next commit of main is a release; runs all checks but the long ones
	@packaging/check-release
	@$(MAKE) --no-print-directory check check-runtimes check-daemons
	@$(MAKE) --no-print-directory check-dist check-oldest-rust check-build-systems check-deb check-recipes \
	    check-module-packages
	$(CARGO) package --locked
	@packaging/check-release --done
