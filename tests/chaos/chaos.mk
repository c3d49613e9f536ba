# The worker with obedient stages, and a clock that can be put wrong.
CHAOS := $(BUILD)/manimd-chaos $(BUILD)/clock_shim.so

$(BUILD)/manimd-chaos: tests/chaos/fake_manimd.c worker/main.c $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Dmain=manimd_main -Wno-missing-prototypes -c worker/main.c -o $(BUILD)/chaos_main.o
	$(Q)$(CC) $(CPPFLAGS) -Iworker $(CFLAGS) $(LDFLAGS) $< $(BUILD)/chaos_main.o $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB) $(LIBS) -o $@

$(BUILD)/clock_shim.so: tests/chaos/clock_shim.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 -O2 $(WARN) -fPIC -shared $< -o $@

.PHONY: chaos
chaos: all $(CHAOS) ## every fault of queue.md and 10,000 jobs under hundreds of kills
	@$(PYTHON) tests/chaos/main.py --build $(BUILD)

.PHONY: chaos-check
chaos-check: all $(CHAOS) ## the chaos suite's bounded part
	@$(PYTHON) tests/chaos/main.py --build $(BUILD) --check

# The programs that start a Redis: once more on other servers, as `make asan` built them.
REDIS_UNIT := $(patsubst tests/unit/%.c,build/asan/unit/%,$(shell \
	grep -lE 'redis_fixture.h|(queue|script)_world.h' tests/unit/*/test_*.c))

.PHONY: servers-check
servers-check: all $(CHAOS) ## the queue's tests on Redis 6.2 and Valkey too
	@$(MAKE) --no-print-directory SAN=1 $(REDIS_UNIT)
	@$(PYTHON) tests/chaos/servers.py --build $(BUILD) $(REDIS_UNIT)

.PHONY: soak
soak: all $(CHAOS) ## an hour of faults with flat memory, descriptors and keys (MINUTES=N)
	@$(PYTHON) tests/chaos/main.py --build $(BUILD) --soak $(or $(MINUTES),60)
