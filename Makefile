# manimd: `make help` says what there is. CI calls only these targets.
#
#   make            build/manimd, build/manimd-encode and the extension
#   make SAN=1 …    the same with AddressSanitizer and UBSan, in build/asan
#   make DEV=1 …    warnings are errors
#   make V=1 …      shows the commands

SHELL := /bin/bash
CC ?= gcc
PKG := libcurl hiredis libcjson uuid openssl libseccomp libcares
AV := libavformat libavcodec libavutil libswscale libswresample libavfilter

BUILD := build$(if $(SAN),/asan)
RUNTIME := $(shell scripts/setup --print-runtime 2>/dev/null)
PYTHON ?= $(RUNTIME)/bin/python3

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wvla -Wswitch-enum $(if $(DEV),-Werror)
comma := ,
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIC \
	$(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
CPPFLAGS += -D_GNU_SOURCE -DMANIMD_PYTHON='"$(PYTHON)"' -include worker/base/banned.h \
	-I$(BUILD)/gen $(shell pkg-config --cflags $(PKG) $(AV) 2>/dev/null)
CFLAGS += -std=gnu11 -O2 -g -MMD -MP $(WARN) $(HARDEN) $(SANFLAGS)
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS)
LIBS := $(shell pkg-config --libs $(PKG) 2>/dev/null) -lm
AVLIBS := $(shell pkg-config --libs $(AV) libcjson libseccomp openssl 2>/dev/null) -lm -lpthread

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# Rooms of manimd itself, and the libraries that executables draw from.
ROOMS := cmd intake supervise render store events
sources = $(wildcard worker/$(1)/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
BASE_LIB := $(BUILD)/libbase.a
BOX_LIB := $(BUILD)/libsandbox.a
ROOM_LIB := $(BUILD)/librooms.a

.PHONY: all
all: $(BUILD)/manimd $(BUILD)/manimd-encode native

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BASE_LIB): $(call objects,base)
$(BOX_LIB): $(call objects,sandbox)
$(ROOM_LIB): $(foreach room,$(ROOMS),$(call objects,$(room)))
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

# The Lua scripts, each as a C string: lua/claim.lua becomes lua_claim.
LUA := $(wildcard worker/intake/lua/*.lua)
$(BUILD)/gen/lua_scripts.h: $(LUA) scripts/embed-lua
	@mkdir -p $(@D)
	$(Q)scripts/embed-lua worker/intake/lua > $@
$(call objects,intake): $(BUILD)/gen/lua_scripts.h

# The boxes' seccomp programs, compiled once: see worker/sandbox/compile.h.
FILTERS := $(addprefix $(BUILD)/worker/sandbox/,filters/main.o compile.o filter.o)
$(BUILD)/gen/make-filters: $(FILTERS) $(BASE_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(BUILD)/gen/box_filters.h: $(BUILD)/gen/make-filters
	$(Q)$< > $@.new && mv $@.new $@
$(BUILD)/worker/sandbox/seccomp.o: $(BUILD)/gen/box_filters.h

$(BUILD)/manimd: $(BUILD)/worker/main.o $(ROOM_LIB) $(BOX_LIB) $(BASE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/manimd-encode: $(call objects,encode) $(BOX_LIB) $(BASE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(AVLIBS) -o $@

include tests/unit/unit.mk
include scripts/targets.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
