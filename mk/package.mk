# The library as a package: what was built, what is installed, the programs of cbindings-tests, the README.
OUTSIDE += demo nomemory
check-needs: build/demo
CHECKS += tests/elf.sh
DEBIAN_PACKAGES += binutils
CHECKS += tests/install.sh@300
CHECKS += tests/readme.sh@300
DEBIAN_PACKAGES += g++
