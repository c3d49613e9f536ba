# The targets for people and CI; the build itself is in the Makefile.

# ── build ─────────────────────────────────────────────────────────────────

NATIVE := $(BUILD)/harness/_manimd.so
NATIVE_SRC := $(wildcard worker/render/native/*.c)

.PHONY: native
native: $(NATIVE)
$(NATIVE): $(NATIVE_SRC) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $$($(PYTHON) -c 'import sysconfig as s; print("-I" + s.get_path("include"))') \
		$(filter-out -MMD -MP,$(CFLAGS)) -shared $^ -Wl,--as-needed \
		$(shell pkg-config --libs libcjson libseccomp openssl) -lm -o $@

# What runs under sanitizers: the executables (the extension is loaded by an
# interpreter that is not).
.PHONY: sanitized
sanitized: $(BUILD)/manimd $(BUILD)/manimd-encode

.PHONY: setup
setup: ## packages, TeX, and Manim in a virtual environment
	@scripts/setup

.PHONY: clean
clean: ## remove what was built
	rm -rf build

# ── see it work ───────────────────────────────────────────────────────────

.PHONY: demo
demo: ## three scenes from redis-cli to video, with everything set up for you
	@scripts/setup
	@$(MAKE) --no-print-directory -s -j2 all
	@scripts/demo

# ── tests ─────────────────────────────────────────────────────────────────

PYTEST := $(PYTHON) -m pytest -q -p no:cacheprovider

.PHONY: check
check: ## every test, on a fresh machine too; ends with `N passed, N failed`
	@scripts/setup --tests
	@scripts/check

.PHONY: test
test: ## the fast part of check
	@scripts/setup --tests
	@scripts/check --fast

.PHONY: stage
stage: all ## pytest: one stage on one directory
	@$(PYTEST) tests/stage

.PHONY: e2e
e2e: all ## pytest: from Redis to the video, with real parts
	@$(PYTEST) tests/e2e

.PHONY: asan
asan: ## build with AddressSanitizer and UBSan, and run the unit tests
	@$(MAKE) --no-print-directory SAN=1 sanitized unit

.PHONY: bench
bench: all ## the figures, as ratios in one run; plots in build/bench
	@$(PYTHON) tests/bench/bench.py

.PHONY: bench-check
bench-check: all $(BUILD)/manimd-noop $(BUILD)/slow_proxy ## the benchmarks' bounded part
	@$(PYTHON) tests/bench/bench.py --check
	@$(PYTHON) tests/bench/queue_bench.py --check --build $(BUILD)

include tests/chaos/chaos.mk
include tests/bench/box.mk
include tests/attacks/attacks.mk
include tests/bench/queue.mk
include tests/fuzz/fuzz.mk

# ── style ─────────────────────────────────────────────────────────────────

.PHONY: format
format: ## clang-format decides
	$(RUNTIME)/bin/clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: lint
lint: ## layers, sizes, tables, format, shell, spelling, both compilers
	@scripts/lint

# What both compilers must take without a warning, the tests included.
.PHONY: lint-build
lint-build: all $(UNIT)

.PHONY: docs
docs: ## the tables in docs/, made anew from the code's
	@scripts/gen-docs

# ── install ───────────────────────────────────────────────────────────────

PREFIX ?= /usr/local

.PHONY: install
install: all ## to PREFIX (/usr/local): bin, libexec, share
	install -D -m 755 $(BUILD)/manimd $(DESTDIR)$(PREFIX)/bin/manimd
	install -D -m 755 $(BUILD)/manimd-encode $(DESTDIR)$(PREFIX)/libexec/manimd-encode
	install -d $(DESTDIR)$(PREFIX)/share/manimd/harness
	install -m 644 worker/render/harness/*.py $(DESTDIR)$(PREFIX)/share/manimd/harness/
	install -m 755 $(NATIVE) $(DESTDIR)$(PREFIX)/share/manimd/harness/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local|$(PREFIX)|' systemd/manimd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/manimd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/manimd.service

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort -u | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'
