#!/usr/bin/env bash
# One run of ctest, with one summary, over the tests of several build folders:
#   ctest_all.sh build build-asan -- -j 4 --output-on-failure
set -euo pipefail

builds=()
while [[ $# -gt 0 && $1 != -- ]]; do
  builds+=("$(realpath "$1")")
  shift
done
shift

together=${builds[0]}/all-tests
mkdir -p "$together"
printf 'subdirs("%s")\n' "${builds[@]}" > "$together/CTestTestfile.cmake"
ctest --test-dir "$together" "$@"
