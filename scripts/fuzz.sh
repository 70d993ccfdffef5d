#!/usr/bin/env bash
# Runs each fuzz target of a build folder from its seeds, FUZZ_SECONDS each (60). What a target finds is left in
# BUILD/findings; make it a test.
set -euo pipefail

build=$1
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$build/findings"
for target in "$build"/fuzz/*_fuzz; do
  name=$(basename "$target" _fuzz)
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  seeds=()
  # A variant such as tokenizer_nopattern starts from the seeds of the reader it is a variant of.
  for folder in "fuzz/corpus/$name" "fuzz/corpus/${name%%_*}"; do
    if [[ -d $folder ]]; then seeds=("$folder"); break; fi
  done
  echo "== $name, $seconds s"
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" "$corpus" "${seeds[@]}" 2>&1 | tail -n 12
done
