# The library as a package: what was built, what is installed, the programs of cbindings-tests, the README.
OUTSIDE += demo out_of_memory
check-needs: build/demo
CHECKS += tests/elf.sh
DEBIAN_PACKAGES += binutils

# tests/as-root by a plain user; newuidmap is what gives that user more ids than one.
OUTSIDE += plain_user
build/outside/plain_user: | build/demo build/outside/drop
DEBIAN_PACKAGES += uidmap

CHECKS += tests/install.sh@300
CHECKS += tests/readme.sh@300
DEBIAN_PACKAGES += g++
