# intandem: `make demo` runs the main job, `make test` passes the tests; `make help` lists the rest.
# Every target builds out of tree: build/<compiler>[-<sanitizers>]/.

CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
SAN ?=
comma := ,
compiler_name := $(notdir $(lastword $(CXX)))
variant := $(compiler_name)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
B := build/$(variant)

ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
# GCC 12 warns about memcpy inside std::string where there is nothing to warn about (GCC bug 105651).
WARNINGS += $(if $(findstring clang,$(CXX)),,-Wno-restrict)
OPT := -O3 -g1
ARCH := $(shell $(CXX) -dumpmachine 2>/dev/null)
X86 := $(filter x86_64%,$(ARCH))
BASE_ISA := $(if $(X86),-march=x86-64-v2)
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CXXFLAGS += -std=c++20 $(OPT) $(BASE_ISA) $(WARNINGS) -ffp-contract=off -fopenmp -I. \
            -isystem /usr/include/stb $(SAN_FLAGS)
LDFLAGS += -fopenmp $(SAN_FLAGS)
LDLIBS += -lz

# One file per instruction set; everything else is the baseline (see docs/kernels.md).
AVX2_FLAGS := $(if $(X86),-mavx2 -mfma)
AVX512_FLAGS := $(if $(X86),-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
VNNI_FLAGS := $(if $(X86),$(AVX512_FLAGS) -mavx512vnni)
# The reference integer engine gets no floating-point or vector register at all (g++ only: with the
# flag clang++ refuses the declarations of std::stod and others in <string>).
file_flags = $(if $(findstring _avx2.cpp,$1),$(AVX2_FLAGS))$(if $(findstring _avx512.cpp,$1),$(AVX512_FLAGS))$(if $(findstring _avx512vnni.cpp,$1),$(VNNI_FLAGS))$(if $(and $(X86),$(findstring quant/integer/,$1),$(findstring _ref.cpp,$1),$(if $(SAN)$(findstring clang,$(compiler_name)),,1)),-mgeneral-regs-only)

LIB_SRC := $(wildcard core/*.cpp nn/*.cpp nn/networks/*.cpp quant/*.cpp quant/integer/*.cpp distill/*.cpp data/*.cpp)
APP_SRC := $(wildcard apps/*.cpp)
TEST_SRC := $(wildcard tests/*.cpp tests/*/*.cpp)
BENCH_SRC := $(wildcard bench/*.cpp)
LIB := $(B)/libintandem.a
BIN := $(B)/intandem
TESTS := $(B)/intandem_tests
BENCH := $(B)/intandem_bench

.PHONY: build
build: $(LIB) $(if $(APP_SRC),$(BIN))

$(LIB): $(LIB_SRC:%.cpp=$(B)/%.o)
	@rm -f $@
	ar rcs $@ $^
$(BIN): $(APP_SRC:%.cpp=$(B)/%.o) $(LIB)
	$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@
# Tests may link the command-line modules too, all but the one with main().
$(TESTS): $(TEST_SRC:%.cpp=$(B)/%.o) $(patsubst %.cpp,$(B)/%.o,$(filter-out apps/intandem.cpp,$(APP_SRC))) $(LIB)
	$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@
$(BENCH): $(BENCH_SRC:%.cpp=$(B)/%.o) $(LIB)
	$(CXX) $(LDFLAGS) $^ $(LDLIBS) -lbenchmark -o $@

$(B)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(call file_flags,$<) -MMD -MP -c $< -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
