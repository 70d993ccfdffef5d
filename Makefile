# make help lists what there is. CMake builds; this file gives the commands short names.
BUILD  ?= build
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
CMAKE_BUILD = cmake --build $(1) -j $(JOBS)

.PHONY: all build deps demo sentiment test test-long fuzz bench tsan install clean help
.NOTPARALLEL:
all: build

build:            ## builds build/octet (the default)
	@scripts/packages.sh check
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	$(call CMAKE_BUILD,$(BUILD)) --target octet

deps:             ## installs what the build and the tests need, by apt
	@scripts/packages.sh install

demo: deps build  ## deps, build, then compresses a model and shows what it cost (MODEL=DIR TEXT=FILE CALIBRATION=FILE)
	@OCTET=$(BUILD)/octet scripts/demo.sh

sentiment: deps build  ## deps, build, then trains the sentiment classifiers of examples/ in FP32, FP8 and INT8
	@OCTET=$(BUILD)/octet python3 examples/sentiment/sentiment.py

test: deps        ## deps, build, then every test, as released and under the address and undefined-behaviour sanitizers
	cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release
	$(call CMAKE_BUILD,$(BUILD))
	cmake -S . -B build-asan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOCTET_SANITIZE=address,undefined
	$(call CMAKE_BUILD,build-asan)
	scripts/ctest_all.sh $(BUILD) build-asan -- -j $(JOBS) --output-on-failure

test-long: deps   ## the tests that take minutes: sweeps of all 2^32 floats
	cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release
	$(call CMAKE_BUILD,$(BUILD)) --target long_tests
	ctest --test-dir $(BUILD) -C long -L long --output-on-failure

tsan:             ## every test under the thread sanitizer (clang)
	@scripts/packages.sh install clang
	cmake -S . -B build-tsan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOCTET_SANITIZE=thread -DCMAKE_CXX_COMPILER=clang++
	$(call CMAKE_BUILD,build-tsan)
	ctest --test-dir build-tsan -j $(JOBS) --output-on-failure

fuzz:             ## each libFuzzer target for FUZZ_SECONDS, a minute unless told (clang)
	@scripts/packages.sh install clang
	cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOCTET_SANITIZE=address,undefined \
	  -DOCTET_FUZZ=ON -DOCTET_TESTS=OFF -DCMAKE_CXX_COMPILER=clang++
	$(call CMAKE_BUILD,build-fuzz)
	scripts/fuzz.sh build-fuzz

bench:            ## kernel timings beside what this machine can do at most
	@scripts/packages.sh install bench
	cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DOCTET_BENCH=ON -DOCTET_TESTS=OFF
	$(call CMAKE_BUILD,build-bench)
	for program in build-bench/bench/*_bench; do $$program || exit 1; done

install: build    ## installs octet and its completions under DESTDIR and PREFIX (/usr/local)
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean:            ## removes every build folder
	rm -rf build build-*

help:             ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
