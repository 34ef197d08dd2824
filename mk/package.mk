# The library as a package: what was built, what is installed, the programs of cbindings-tests, the README.
CHECKS += tests/elf.sh
DEBIAN_PACKAGES += binutils
