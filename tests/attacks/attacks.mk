# The attack suite; the layers that may be left out are in ablation.py.
.PHONY: attacks
attacks: all ## every attack scene at every level that this machine offers, and the ablation
	@$(PYTHON) tests/attacks/main.py --build $(BUILD)
	@tests/attacks/in_container $(BUILD)
	@$(MAKE) --no-print-directory container-unit attacks-ablation

.PHONY: attacks-check
attacks-check: all ## the attack suite's bounded part
	@$(PYTHON) tests/attacks/main.py --build $(BUILD) --check --seed 1

BOX_UNIT := $(filter $(BUILD)/unit/sandbox/%,$(UNIT))
.PHONY: container-unit
container-unit: $(BOX_UNIT) ## the box's unit tests inside a real container
	@tests/attacks/in_container -- scripts/run-unit $(BOX_UNIT)

.PHONY: attacks-ablation
attacks-ablation: all ## each layer of the box off in turn; writes the tables of docs/attacks.md
	@$(PYTHON) tests/attacks/main.py --build $(BUILD) --ablation
	@$(PYTHON) tests/attacks/main.py --build $(BUILD) --ablation --level host

# For the ablation: the scene's box without the layers that WITHOUT names (by
# commas), and what is linked with it, in build/ablation/…; the encoder keeps all
# of its own, since its files must be its uid's.
ABLATED_LIB := $(BUILD)/ablation/$(AS)/libsandbox.a
.PHONY: ablated
ablated: all
	@mkdir -p $(BUILD)/ablation/$(AS)/harness
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) '-DMANIMD_WITHOUT="$(WITHOUT)"' \
		-c worker/sandbox/seal.c -o $(BUILD)/ablation/$(AS)/seal.o
	$(Q)cp $(BOX_LIB) $(ABLATED_LIB) && $(AR) r $(ABLATED_LIB) $(BUILD)/ablation/$(AS)/seal.o
	$(Q)$(CC) $(LDFLAGS) $(BUILD)/worker/main.o $(ROOM_LIB) $(ABLATED_LIB) $(BASE_LIB) $(LIBS) \
		-o $(BUILD)/ablation/$(AS)/manimd
	$(Q)cp $(BUILD)/manimd-encode $(BUILD)/ablation/$(AS)/manimd-encode
	$(Q)$(CC) $(CPPFLAGS) $$($(PYTHON) -c 'import sysconfig as s; print("-I" + s.get_path("include"))') \
		$(filter-out -MMD -MP,$(CFLAGS)) -shared $(NATIVE_SRC) $(ABLATED_LIB) $(BASE_LIB) -Wl,--as-needed \
		$$(pkg-config --libs libcjson libseccomp openssl) -lm -o $(BUILD)/ablation/$(AS)/harness/_manimd.so
