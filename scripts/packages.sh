#!/usr/bin/env bash
# The Debian and Ubuntu packages Octet is built from.
#   packages.sh check           says what is missing for the program, and how to get it
#   packages.sh install [SET…]  installs what is missing for the program and its tests; SETs: clang, bench
set -euo pipefail

program=(g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libyaml-cpp-dev libpcre2-dev libutf8proc-dev libssl-dev)
tests=(ccache libgtest-dev libgmock-dev make python3 libopenmpi-dev openmpi-bin g++-aarch64-linux-gnu qemu-user)
clang=(clang)
bench=(libbenchmark-dev libdnnl-dev libopenblas-dev)

missing() {
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || echo "$package"
  done
}

install() {
  local wanted=("${program[@]}" "${tests[@]}") lacking
  for set in "$@"; do
    case $set in
      clang) wanted+=("${clang[@]}") ;;
      bench) wanted+=("${bench[@]}") ;;
      *) echo "packages.sh: there is no set $set" >&2; exit 2 ;;
    esac
  done
  mapfile -t lacking < <(missing "${wanted[@]}")
  [[ ${#lacking[@]} == 0 ]] && return
  echo "Installing ${lacking[*]}"
  local root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo > /dev/null || { echo "Installing packages needs root: run this as root, or install sudo" >&2; exit 1; }
    root=(sudo)
  fi
  "${root[@]}" apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "${lacking[@]}"
}

if ! command -v dpkg-query > /dev/null; then
  echo "Not Debian or Ubuntu: install the likes of ${program[*]} ${tests[*]} yourself" >&2
  [[ ${1:-} == check ]] && exit 0
  exit 1
fi

case ${1:-} in
  check)
    mapfile -t lacking < <(missing "${program[@]}")
    if [[ ${#lacking[@]} != 0 ]]; then
      echo "Missing: ${lacking[*]}. 'make deps' installs what Octet needs (as root or with sudo)." >&2
      exit 1
    fi ;;
  install) shift; install "$@" ;;
  *) echo "usage: packages.sh check | install [clang] [bench]" >&2; exit 2 ;;
esac
