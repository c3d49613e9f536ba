# libFuzzer under ASan and UBSan (clang), a program for each fuzz_NAME.c. The
# code under test is built again with the fuzzer's coverage, in build/fuzz.
#
#   make fuzz SECONDS=600 TARGET=job    corpora stay in build/fuzz/corpus
#   make fuzz-replay FILE=…             one input, with its target's name in its path

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BUILD := build/fuzz
FUZZ_RUN = $(PYTHON) tests/fuzz/run.py --build $(FUZZ_BUILD)

# Functions that a target puts its own in the place of (ld's --wrap).
FUZZ_WRAP_redis := clock_now_ms redisReaderCreate
FUZZ_WRAP_queue := clock_now_ms clock_unix_ms clock_jitter_ms clock_backoff_ms loop_step
FUZZ_WRAP_keeper := keeper_start_encoder
FUZZ_WRAP_ring := ring_payload

$(FUZZ_BUILD)/fuzz_ring: $(filter-out %/main.o,$(call objects,encode))
$(FUZZ_BUILD)/fuzz_ring: FUZZ_LIBS := $(AVLIBS)
$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer \
		$(foreach f,$(FUZZ_WRAP_$*),-Wl,--wrap=$(f)) \
		$(filter %.c,$^) $(filter %.o,$^) $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB) $(LIBS) $(FUZZ_LIBS) -o $@

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_TARGETS:%=$(FUZZ_BUILD)/fuzz_%)

# The sanitizers' flags come through the environment, which CFLAGS adds to.
FUZZ_MAKE = CFLAGS='-fsanitize=fuzzer-no-link,float-cast-overflow -fno-sanitize-recover=all' \
	$(MAKE) --no-print-directory SAN=1 DEV=1 CC=clang BUILD=$(FUZZ_BUILD)

.PHONY: fuzz-build
fuzz-build:
	+@$(FUZZ_MAKE) fuzz-programs

.PHONY: fuzz
fuzz: fuzz-build ## fuzz for SECONDS=600 each, or only TARGET=…; corpora in build/fuzz
	@$(FUZZ_RUN) --seconds $(or $(SECONDS),600) $(TARGET)

.PHONY: fuzz-check
fuzz-check: fuzz-build ## the bounded part: the same inputs each time
	@$(FUZZ_RUN) --check $(TARGET)

.PHONY: fuzz-replay
fuzz-replay: fuzz-build ## one input again: FILE=build/fuzz/found/TARGET/crash-…
	@$(FUZZ_RUN) --replay $(FILE) $(TARGET)

# Both compilers must take the targets, though only clang can run them.
lint-build: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/fuzz_%.o)
