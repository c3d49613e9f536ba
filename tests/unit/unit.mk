# A test file per module: tests/unit/ROOM/test_MODULE.c, each its own program.
# Tests of encode/ are linked as the encoder is.
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))

$(BUILD)/unit/encode/%: tests/unit/encode/%.c $(filter-out %/main.o,$(call objects,encode)) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker -DMANIMD_SOURCE_DIR='"$(CURDIR)"' $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $(filter %.c %.o %.a,$^) $(AVLIBS) -lcmocka -o $@

$(BUILD)/unit/%: tests/unit/%.c $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker -DMANIMD_SOURCE_DIR='"$(CURDIR)"' $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $(filter %.c %.o %.a,$^) $(LIBS) -lcmocka -o $@

# Seals itself and runs a command: for tests and for trying a box by hand.
BOX_RUN := $(BUILD)/unit/sandbox/box-run
$(BOX_RUN): tests/unit/sandbox/box_run.c $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker -DMANIMD_SOURCE_DIR='"$(CURDIR)"' $(CFLAGS) $(LDFLAGS) $(filter %.c %.o %.a,$^) $(LIBS) -o $@
$(filter $(BUILD)/unit/sandbox/%,$(UNIT)): | $(BOX_RUN)

-include tests/stage/stage.mk

.PHONY: unit
unit: $(UNIT) ## cmocka tests, one program a module
	@scripts/run-unit $(UNIT)

# Tests of render/ run real jobs: the extension and the encoder must be there.
$(filter $(BUILD)/unit/render/%,$(UNIT)): | $(BUILD)/harness/_manimd.so $(BUILD)/manimd-encode
