# What the box costs. manimd-open is the same worker with a probe that says
# "none": what a render costs without a box, which no option offers to root.
BOX_BENCH := $(BUILD)/bench/box-bench $(BUILD)/manimd-open

$(BUILD)/bench/box-bench: tests/bench/box_bench.c $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker $(CFLAGS) $(LDFLAGS) $(filter %.c %.a,$^) $(LIBS) -o $@

$(BUILD)/manimd-open: tests/bench/no_box.c $(BUILD)/worker/main.o $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker $(CFLAGS) $(LDFLAGS) -Wl,--allow-multiple-definition $(filter %.c %.o %.a,$^) $(LIBS) -o $@

.PHONY: bench-box
bench-box: all $(BOX_BENCH) ## what the box costs: seal, cold path, kill, share of a render
	@$(PYTHON) tests/bench/box.py

.PHONY: bench-box-memory
bench-box-memory: all ## how far each kind of memory gets beyond its limit
	@$(PYTHON) tests/bench/box_memory.py

.PHONY: bench-box-cpu
bench-box-cpu: all ## how many times its CPU limit a scene gets, way by way
	@$(PYTHON) tests/bench/box_cpu.py
