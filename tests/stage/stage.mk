# Programs that tests of tests/stage/ drive; their fixtures build them.
$(BUILD)/stage/store_driver: tests/stage/store_driver.c $(call objects,store) $(BASE_LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.c %.o %.a,$^) $(LIBS) -o $@

$(BUILD)/stage/ring_dump: tests/stage/ring_dump.c $(BASE_LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Iworker $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@
