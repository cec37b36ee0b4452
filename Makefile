# intandem: `make demo` runs the main job, `make test` passes the tests; `make help` lists the rest.
# Every target builds out of tree: build/<compiler>[-<sanitizers>]/. V=1 shows the commands.

ifneq ($(filter default undefined,$(origin CXX)),)
CXX := g++
endif
SAN ?=
comma := ,
# ThreadSanitizer understands LLVM's OpenMP run time (with Archer) but not GCC's: always clang.
override CXX := $(if $(filter thread,$(subst $(comma), ,$(SAN))),$(patsubst g++,clang++,$(CXX)),$(CXX))
CLANG := $(findstring clang,$(CXX))
# FUZZ=1, set by `make fuzz`: with the instrumentation of libFuzzer.
FUZZ ?=
variant := $(if $(FUZZ),fuzz,$(notdir $(lastword $(CXX)))$(if $(SAN),-$(subst $(comma),-,$(SAN))))
B := build/$(variant)

# Parallel unless the user gave a -j of his own.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $(V),,@)
say = $(if $(V),,@echo "$1")
SUBMAKE = +$(Q)$(MAKE) --no-print-directory

# GCC 12 warns about memcpy inside std::string where there is nothing to warn about (GCC bug
# 105651). Sanitizer instrumentation brings more such warnings; `make check` has the last word.
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
            $(if $(CLANG),,-Wno-restrict) $(if $(SAN),-Wno-error,-Werror)
OPT := $(if $(FUZZ),-O1,$(if $(SAN),-O2,-O3)) -g1
ARCH := $(shell $(CXX) -dumpmachine 2>/dev/null)
X86 := $(filter x86_64%,$(ARCH))
BASE_ISA := $(if $(X86),-march=x86-64-v2)
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
             $(if $(FUZZ),-fsanitize=fuzzer-no-link -DINTANDEM_FUZZING)
ALL_CXXFLAGS := -std=c++20 $(OPT) $(BASE_ISA) $(WARNINGS) -ffp-contract=off -fopenmp -I. \
                -isystem /usr/include/stb $(SAN_FLAGS) $(CXXFLAGS)
ALL_LDFLAGS := -fopenmp $(SAN_FLAGS) $(LDFLAGS)
LDLIBS += -lz

# ONNX files are read and written where libonnx and protobuf are there (ONNX=0: not even then);
# without them the rest is built, and the commands say what is missing.
ONNX ?= $(if $(and $(wildcard /usr/include/onnx/onnx_pb.h),$(wildcard /usr/include/google/protobuf/message.h)),1,0)
ONNX_SRC := nn/onnx/onnx_file.cpp quant/export/onnx_file.cpp
ONNX_FLAGS := $(if $(filter 1,$(ONNX)),-DINTANDEM_ONNX -DONNX_ML=1 -DONNX_NAMESPACE=onnx,-UINTANDEM_ONNX)
LDLIBS += $(if $(filter 1,$(ONNX)),-lonnx_proto -lprotobuf)

# MPI where it is installed (docs/cluster.md); MPI= builds without. Other than Open MPI: give both.
MPI ?= $(if $(SAN)$(FUZZ),,$(shell command -v mpicc 2>/dev/null))
MPI_COMPILE ?= $(if $(MPI),$(shell $(MPI) --showme:compile 2>/dev/null))
MPI_LINK ?= $(if $(MPI),$(shell $(MPI) --showme:link 2>/dev/null))
MPI_FLAGS := $(if $(MPI_COMPILE),-DINTANDEM_MPI -DOMPI_SKIP_MPICXX $(patsubst -I%,-isystem %,$(MPI_COMPILE)))
LDLIBS += $(if $(MPI_COMPILE),$(MPI_LINK))

# One file per instruction set; everything else is the baseline (docs/kernels.md).
AVX2_FLAGS := $(if $(X86),-mavx2 -mfma)
# g++ 12 takes the don't-care operand inside its own AVX-512 intrinsics for uninitialized (its bug 105593).
AVX512_FLAGS := $(if $(X86),-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512 \
    $(if $(CLANG),,-Wno-maybe-uninitialized -Wno-uninitialized))
VNNI_FLAGS := $(if $(X86),$(AVX512_FLAGS) -mavx512vnni)
VPOPCNT_FLAGS := $(if $(X86),$(VNNI_FLAGS) -mavx512vpopcntdq)
AMX_FLAGS := $(if $(X86),$(VNNI_FLAGS) -mamx-tile -mamx-int8)
# The reference integer engine gets no floating-point or vector register at all (g++ only: with the
# flag clang++ refuses the declaration of std::stod in <string>, and sanitizers call into run times).
INTEGER_FLAGS := $(if $(X86),$(if $(SAN)$(CLANG),,-mgeneral-regs-only))
# Kernels take minutes to compile with the sanitizers of `make fuzz`; what they read and write is
# checked between guard pages, by the tests of random models and others.
KERNELS := $(wildcard $(foreach d,* */* */*/*,$d/*_avx*.cpp $d/*_amx.cpp))
file_flags = $(if $(findstring _avx2.cpp,$1),$(AVX2_FLAGS))$(if $(findstring _avx512.cpp,$1),$(AVX512_FLAGS))$(if $(findstring _avx512vnni.cpp,$1),$(VNNI_FLAGS))$(if $(findstring _avx512vpopcnt.cpp,$1),$(VPOPCNT_FLAGS))$(if $(findstring _amx.cpp,$1),$(AMX_FLAGS))$(if $(and $(findstring quant/integer/,$1),$(findstring _ref.cpp,$1)),$(INTEGER_FLAGS))$(if $(filter core/version.cpp,$1),-I$(B)/generated)$(if $(and $(FUZZ),$(filter $(KERNELS),$1)), -fno-sanitize=all)$(if $(filter data/image/stb.cpp,$1),-fwrapv)$(if $(filter $(ONNX_SRC),$1),$(ONNX_FLAGS))

LIB_SRC := $(wildcard core/*.cpp nn/*.cpp nn/*/*.cpp nn/*/*/*.cpp quant/*.cpp quant/*/*.cpp quant/*/*/*.cpp distill/*.cpp data/*.cpp data/image/*.cpp)
APP_SRC := $(filter-out apps/examples/%,$(wildcard apps/*.cpp apps/*/*.cpp))
TEST_SRC := $(wildcard tests/*.cpp tests/*/*.cpp)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.cpp)
BENCH_MAINS := bench/distill_steps.cpp bench/loader_speed.cpp bench/plan_check.cpp
BENCH_SRC := $(filter-out $(BENCH_MAINS),$(wildcard bench/*.cpp))
TESTED_BENCH := $(addprefix bench/,bar_chart.cpp bench_options.cpp int_case.cpp shapes.cpp sweep.cpp)
ALL_SRC := $(LIB_SRC) $(APP_SRC) $(TEST_SRC) $(BENCH_SRC) $(BENCH_MAINS)
FORMATTED := $(ALL_SRC) $(wildcard bench/peers/*.cpp apps/examples/*.cpp) $(wildcard */*.hpp */*/*.hpp */*/*/*.hpp)
LIB := $(B)/libintandem.a
BIN := $(if $(APP_SRC),$(B)/intandem)
TESTS := $(B)/intandem_tests
BENCH := $(if $(BENCH_SRC),$(B)/intandem_bench)
FUZZERS := $(patsubst tests/fuzz/%.cpp,$(B)/%,$(FUZZ_SRC))
DATA ?=
FROM ?=
SECONDS ?= 60
HARNESS ?=
MODELS ?= 10000
FIRST_MODEL ?= 1
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: data-cifar10 claim results install install-files uninstall
.PHONY: build demo test check fuzz fuzz-models bench plan-check bench-distill bench-loader bench-peers deps clean help FORCE
.PHONY: run-bench run-float-peers run-int-peers run-tests run-fuzz run-fuzz-models everything syntax check-format check-layers check-gcc check-clang
.DELETE_ON_ERROR:

build: $(LIB) $(BIN)

help:
	@echo "make [build]     the library and build/<compiler>/intandem"
	@echo "make demo        installs what is missing, builds, runs the main job on Fashion-MNIST"
	@echo "                 (DATA=DIR: its four IDX .gz files are there)"
	@echo "make claim       2 bits on CIFAR-10, one seed: teacher, rival, tandem, table; within 30 minutes"
	@echo "                 (DATA=DIR: CIFAR-10 is there; else it is fetched as by make data-cifar10)"
	@echo "make data-cifar10  CIFAR-10 into build/data: the official archive, or FROM=ARCHIVE (that one, or"
	@echo "                 train/ and test/ folders of images)"
	@echo "make test        all tests; TEST='[core]' selects, SAN=address,undefined or SAN=thread"
	@echo "make check       format, layering, warnings as errors under g++ and clang++"
	@echo "make fuzz        hostile files: SECONDS=60 for every harness under tests/fuzz (HARNESS='config …'),"
	@echo "                 clang, address and undefined-behaviour sanitizers"
	@echo "make fuzz-models MODELS=10000 random integer models by every kernel against the plain loops,"
	@echo "                 from FIRST_MODEL=1 on"
	@echo "make bench       benchmarks: table, build/bench/*.svg, bench.json; docs/benchmarks.md for BENCH_ARGS"
	@echo "make plan-check  every algorithm of every layer of bench/shapes: how far measured plans are behind"
	@echo "                 the best, and 2 bits behind 4 (PLAN_ARGS)"
	@echo "make bench-distill  steps of distillation beside one of the teacher (DISTILL_ARGS)"
	@echo "make bench-loader PHOTOS=DIR  the loader beside Pillow and torchvision, stb_image beside libjpeg-turbo"
	@echo "make bench-peers kernels, a training step and whole networks beside OpenBLAS, oneDNN, PyTorch,"
	@echo "                 ONNX Runtime; make run-int-peers, run-float-peers: one half"
	@echo "make results     writes docs/results*.md from bench/results/*.json; SAVE=NAME first keeps the"
	@echo "                 JSON of build/bench there, for the machine NAME"
	@echo "make deps        installs the Debian packages of all targets but bench-peers (PyTorch is large)"
	@echo "make install     program, library, headers of the integer engine, intandem.pc into PREFIX=/usr/local"
	@echo "                 (DESTDIR=DIR in front of it); make uninstall removes them (docs/library.md)"
	@echo "make clean       removes build/"
	@echo "Variables: CXX=clang++ (another compiler), V=1 (show commands), -jN (processes)"

deps:
	@.ci/deps all

# These install first and then start a second make, which sees the compilers just installed.
demo:
	@DATA="$(DATA)" .ci/deps demo
	$(SUBMAKE) build
	$(Q)apps/demo.sh "$(BIN)" "$${DATA:-$$(.ci/deps data-dir)}"

data-cifar10:
	@data/fetch_cifar10.sh build/data $(if $(FROM),"$(FROM)")

# Goes on where it was stopped; RUN=DIR: where its results go.
claim:
	@DATA=none .ci/deps demo
	$(SUBMAKE) build
	$(Q)DATA="$(DATA)" apps/claim.sh "$(BIN)"

test:
	@.ci/deps test$(if $(CLANG),-clang)
	$(SUBMAKE) run-tests

check:
	@.ci/deps check
	$(SUBMAKE) check-format check-layers
	$(SUBMAKE) check-gcc
	$(SUBMAKE) check-clang
	@echo "check: all good"

# Harnesses: tests/fuzz/harness.hpp. RUNS=N: so many inputs, however long they take.
fuzz:
	@.ci/deps fuzz
	$(SUBMAKE) CXX=clang++ SAN=address,undefined FUZZ=1 run-fuzz
run-fuzz: $(FUZZERS)
	$(Q)RUNS="$(RUNS)" tests/fuzz/run.sh "$(B)" "$(SECONDS)" $(HARNESS)
fuzz-models:
	@.ci/deps test$(if $(CLANG),-clang)
	$(SUBMAKE) run-fuzz-models
run-fuzz-models: $(TESTS)
	$(Q)BUILD="$(B)" BIN="$(BIN)" CXX="$(CXX)" SAN="$(SAN)" TEST="[random]" INTANDEM_MODELS="$(MODELS)" \
	  INTANDEM_FIRST_MODEL="$(FIRST_MODEL)" tests/run.sh

bench:
	@.ci/deps bench
	$(SUBMAKE) run-bench
run-bench: $(BENCH)
	$(Q)$(if $(BENCH),BENCH_COMMAND='make bench$(if $(BENCH_ARGS), BENCH_ARGS="$(BENCH_ARGS)")' $(BENCH) $(BENCH_ARGS),echo "there are no benchmarks yet")

# What a step of distillation costs beside one of its teacher (docs/benchmarks.md).
# Is a measured plan right? PLAN_ARGS: top of bench/plan_check.cpp.
plan-check:
	@.ci/deps bench
	$(SUBMAKE) $(B)/plan_check
	$(Q)BENCH_COMMAND='make plan-check$(if $(PLAN_ARGS), PLAN_ARGS="$(PLAN_ARGS)")' $(B)/plan_check $(PLAN_ARGS)
bench-distill:
	@.ci/deps bench
	$(SUBMAKE) $(B)/distill_steps
	$(Q)BENCH_COMMAND='make bench-distill$(if $(DISTILL_ARGS), DISTILL_ARGS="$(DISTILL_ARGS)")' $(B)/distill_steps $(DISTILL_ARGS)
$(B)/plan_check: $(addprefix $(B)/bench/,plan_check.o bench_options.o int_case.o machine.o shapes.o sweep.o) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
$(B)/distill_steps: $(B)/bench/distill_steps.o $(B)/bench/machine.o $(B)/apps/print/text_table.o $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@

# docs/results*.md from the JSON files kept in bench/results. SAVE=NAME first keeps those of build/bench
# there, as the newest of the machine called NAME.
results:
	$(Q)bench/make_results.py $(if $(SAVE),--save "$(SAVE)")

# Decoding and augmenting the photos of a folder of class folders (docs/imagenet.md); LOADER_ARGS of
# bench/loader_speed.py. libjpeg-turbo is left out where its header is missing.
PHOTOS ?=
bench-loader:
	@.ci/deps bench
	$(SUBMAKE) $(B)/loader_speed $(BIN) $(if $(wildcard /usr/include/jpeglib.h),$(B)/jpeg_decoders)
	$(Q)bench/loader_speed.py $(B)/loader_speed $(BIN) "$(PHOTOS)" $(LOADER_ARGS)
	$(Q)$(if $(wildcard /usr/include/jpeglib.h),$(B)/jpeg_decoders "$(PHOTOS)")
$(B)/loader_speed: $(B)/bench/loader_speed.o $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
$(B)/jpeg_decoders: $(B)/bench/peers/jpeg_decoders.o $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -ljpeg -o $@

# The rivals are packages nothing else needs, so nothing else builds these programs. Results:
# build/bench/{float,int}_peers.json (docs/benchmarks.md). Arguments: PEERS_ARGS="THREADS REPETITIONS
# FILTER" of the kernels (the integer ones take LIMITS as well), STEPS_ARGS="--turns 5 --networks
# alexnet,…" of the training steps.
bench-peers:
	@.ci/deps peers
	$(SUBMAKE) run-float-peers
	$(SUBMAKE) run-int-peers
run-float-peers: $(B)/float_peers $(B)/torch_step
	@mkdir -p build/bench
	BENCH_COMMAND='make run-float-peers$(if $(PEERS_ARGS), PEERS_ARGS="$(PEERS_ARGS)")$(if $(STEPS_ARGS), STEPS_ARGS="$(STEPS_ARGS)")' \
	  $(B)/float_peers $(PEERS_ARGS) > build/bench/float_kernels.json
	bench/peers/compare_steps.py $(B)/torch_step --kernels build/bench/float_kernels.json \
	  --output build/bench/float_peers.json $(STEPS_ARGS)
# Peers that are not to be had are left out, and the results say so.
run-int-peers: $(B)/int_peers
	@bench/peers/setup_venv.sh
	BENCH_COMMAND='make run-int-peers$(if $(PEERS_ARGS), PEERS_ARGS="$(PEERS_ARGS)")' \
	  bench/peers/int_peers.sh $(B)/int_peers "$(CXX)" $(PEERS_ARGS)
INT_PEERS := $(addprefix bench/,int_case int_network machine shapes sweep $(addprefix peers/,contest int_peers int_peers_layer int_peers_network worker))
$(B)/int_peers: $(INT_PEERS:%=$(B)/%.o) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -ldl -o $@
FLOAT_PEERS := $(addprefix bench/,machine shapes $(addprefix peers/,float_cases float_cases_onednn float_peers worker))
$(B)/float_peers: $(FLOAT_PEERS:%=$(B)/%.o) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -lopenblas -ldnnl -o $@
$(B)/torch_step: $(B)/bench/peers/torch_step.o $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@

run-tests: $(TESTS) $(BIN)
	$(Q)BUILD="$(B)" BIN="$(BIN)" CXX="$(CXX)" SAN="$(SAN)" TEST="$(TEST)" tests/run.sh

everything: $(LIB) $(BIN) $(TESTS) $(BENCH) $(B)/distill_steps $(B)/plan_check $(B)/loader_speed
check-format:
	@echo "FORMAT $(words $(FORMATTED)) files"
	$(Q)echo $(FORMATTED) | xargs -n 16 -P $$(nproc) clang-format --dry-run -Werror
check-layers:
	$(Q)tests/scans/layering.sh
check-gcc:
	$(SUBMAKE) CXX="$(patsubst clang++%,g++,$(CXX))" SAN= everything
check-clang:
	$(SUBMAKE) CXX=clang++ SAN= syntax
syntax: $(ALL_SRC:%.cpp=$(B)/%.syntax)

clean:
	rm -rf build

# What a user of the integer engine includes, as <intandem/…>: every installed header compiles alone.
INSTALLED_HEADERS := $(addprefix core/,container.hpp conv_shape.hpp cpu.hpp error.hpp memory.hpp npy.hpp \
    parallel.hpp tensor.hpp version.hpp) data/image_file.hpp $(addprefix data/image/,bytes.hpp checks.hpp pixels.hpp) \
    $(addprefix quant/integer/,engine.hpp model.hpp plan.hpp prepared_layer.hpp requant.hpp)
TO := $(DESTDIR)$(PREFIX)
VERSION = $(shell sed -n 's/.*return "\([0-9.]*\)".*/\1/p' core/version.cpp | head -n 1)
define PC_FILE
prefix=$(PREFIX)
includedir=$${prefix}/include
libdir=$${prefix}/lib

Name: intandem
Description: Fully integer quantized neural networks: models and the engine that runs them
Version: $(VERSION)
Cflags: -I$${includedir} -fopenmp
Libs: -L$${libdir} -lintandem -fopenmp -lz
endef
export PC_FILE
install: build
	$(SUBMAKE) install-files
# What has been built, as it is.
install-files:
	@case "$(PREFIX)" in /*) ;; *) echo "PREFIX=$(PREFIX): must start with a slash" >&2; exit 2 ;; esac
	$(Q)install -D -m 755 "$(BIN)" "$(TO)/bin/intandem"
	$(Q)install -D -m 644 "$(LIB)" "$(TO)/lib/libintandem.a"
	$(Q)for header in $(INSTALLED_HEADERS); do \
	  install -D -m 644 "$$header" "$(TO)/include/intandem/$$header" && \
	  sed -i -E 's,^(#include ")(core|data|quant)/,\1intandem/\2/,' "$(TO)/include/intandem/$$header" || exit 1; \
	done
	$(Q)mkdir -p "$(TO)/lib/pkgconfig" && printf '%s\n' "$$PC_FILE" > "$(TO)/lib/pkgconfig/intandem.pc"
	@echo "installed in $(TO)"
uninstall:
	$(Q)rm -f "$(TO)/bin/intandem" "$(TO)/lib/libintandem.a" "$(TO)/lib/pkgconfig/intandem.pc"
	$(Q)cd "$(TO)/include/intandem" 2>/dev/null || exit 0; \
	  rm -f $(INSTALLED_HEADERS); find . -mindepth 1 -depth -type d -empty -delete; rmdir "$$PWD" 2>/dev/null || true

$(LIB): $(LIB_SRC:%.cpp=$(B)/%.o) $(B)/sources
	$(call say,AR   $@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(B)/intandem: $(APP_SRC:%.cpp=$(B)/%.o) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
# Tests may link the command-line modules too, all but the one with main().
$(TESTS): $(TEST_SRC:%.cpp=$(B)/%.o) $(patsubst %.cpp,$(B)/%.o,$(filter-out apps/intandem.cpp,$(APP_SRC)) $(TESTED_BENCH)) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
# A harness each, with libFuzzer's main(); they too may link the command-line modules.
$(FUZZERS): $(B)/%: $(B)/tests/fuzz/%.o $(patsubst %.cpp,$(B)/%.o,$(filter-out apps/intandem.cpp,$(APP_SRC))) $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) -fsanitize=fuzzer $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
$(B)/intandem_bench: $(BENCH_SRC:%.cpp=$(B)/%.o) $(B)/apps/report/svg_chart.o $(LIB)
	$(call say,LINK $@)
	$(Q)$(CXX) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -lbenchmark -o $@

$(B)/%.o: %.cpp $(B)/flags
	@mkdir -p $(@D)
	$(call say,CXX  $<)
	$(Q)$(CXX) $(ALL_CXXFLAGS) $(call file_flags,$<) -MMD -MP -c $< -o $@
# Warnings only, for the second compiler of `make check`.
$(B)/%.syntax: %.cpp $(B)/flags
	@mkdir -p $(@D)
	$(call say,WARN $<)
	$(Q)$(CXX) $(ALL_CXXFLAGS) $(call file_flags,$<) -fsyntax-only -MMD -MP -MT $@ -MF $(@:.syntax=.d) $<
	@touch $@

$(B)/core/mpi_transport.o $(B)/core/mpi_transport.syntax: private ALL_CXXFLAGS += $(MPI_FLAGS)

# Rewritten only when the text changes: what was built with other flags, from other files or at
# another commit is built again, and nothing else.
write_if_changed = mkdir -p $(@D); echo '$1' | cmp -s - $@ || echo '$1' > $@
$(B)/flags: FORCE
	@$(call write_if_changed,$(CXX) $(ALL_CXXFLAGS))
$(B)/flags-per-file: FORCE
	@$(call write_if_changed,$(AVX2_FLAGS) $(AVX512_FLAGS) $(VNNI_FLAGS) $(VPOPCNT_FLAGS) $(AMX_FLAGS) $(INTEGER_FLAGS) $(ONNX_FLAGS) $(MPI_FLAGS))
OWN_FLAGS_SRC := $(sort core/mpi_transport.cpp $(foreach source,$(LIB_SRC),$(if $(strip $(call file_flags,$(source))),$(source))))
$(OWN_FLAGS_SRC:%.cpp=$(B)/%.o) $(OWN_FLAGS_SRC:%.cpp=$(B)/%.syntax): $(B)/flags-per-file
$(B)/sources: FORCE
	@$(call write_if_changed,$(LIB_SRC))
COMMIT = $(shell git describe --always --abbrev=12 --dirty=+dirty --exclude='*' 2>/dev/null)
$(B)/generated/commit.hpp: FORCE
	@$(call write_if_changed,$(if $(COMMIT),#define INTANDEM_COMMIT "$(COMMIT)"))
$(B)/core/version.o: $(B)/generated/commit.hpp

-include $(ALL_SRC:%.cpp=$(B)/%.d) $(wildcard $(B)/bench/peers/*.d)
