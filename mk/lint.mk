# Formatters and linters: `make lint` compares, `make format` writes. shellcheck is Debian's; the others are of tests/lint-tools.txt.

DEBIAN_PACKAGES += shellcheck python3-pip
LINT_PACKAGES := gcc libc6-dev python3 python3-pip shellcheck
check-needs: build/lint/installed

.PHONY: lint format

lint: ## test: formatters and linters over every file: Rust, C, C++, Python, shell
	@tests/packages $(LINT_PACKAGES)
	@$(MAKE) --no-print-directory build/lint/installed
	@tests/run tests/lint.sh@600

format: build/lint/installed ## develop: writes what rustfmt, clang-format and ruff format want
	@tests/lint.sh --format

build/lint/installed: tests/lint-tools.txt
	@[ "$(EC_NO_INSTALL)" != 1 ] || { \
	    echo "make: build/lint lacks what $< names: $(PYTHON) -m pip install --no-deps --target build/lint -r $<" >&2; exit 1; }
	@rm -rf $(@D)
	@echo "installing what $< names, in $(@D)"
	@$(PYTHON) -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --target $(@D) -r $<
	@touch $@
