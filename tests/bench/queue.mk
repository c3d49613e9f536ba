# The production worker with stages that are done at once (noop_manimd.c), and a
# proxy that makes a network out of the loopback.
NOOP := $(BUILD)/manimd-noop $(BUILD)/slow_proxy

$(BUILD)/manimd-noop: tests/bench/noop_manimd.c $(BUILD)/worker/main.o $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iworker $(filter-out -MMD -MP,$(CFLAGS)) $(LDFLAGS) \
		-Wl,--wrap=spawn_stage,--wrap=loop_child,--wrap=box_empty $^ $(LIBS) -o $@

$(BUILD)/slow_proxy: tests/bench/slow_proxy.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -D_GNU_SOURCE $(filter-out -MMD -MP,$(CFLAGS)) $(LDFLAGS) $< -o $@

.PHONY: bench-queue
bench-queue: all $(NOOP) ## the queue beside BullMQ, RQ and Celery, in one run of some minutes
	@tests/bench/peers/setup
	@$(PYTHON) tests/bench/queue_bench.py --build $(BUILD)
