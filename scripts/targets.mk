# The targets for people and CI; the build itself is in the Makefile.

NATIVE := $(BUILD)/harness/_manimd.so
NATIVE_SRC := $(wildcard worker/render/native/*.c)

.PHONY: native
native: $(NATIVE) ## the C extension for the harness
$(NATIVE): $(NATIVE_SRC) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $$($(PYTHON) -c 'import sysconfig as s; print("-I" + s.get_path("include"))') \
		$(filter-out -MMD -MP,$(CFLAGS)) -shared $^ -Wl,--as-needed \
		$(shell pkg-config --libs libcjson libseccomp openssl) -lm -o $@

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: format
format: ## clang-format decides
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort -u | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'
