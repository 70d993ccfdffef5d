#include <immintrin.h>

#include "ceiling.h"

#define OCTET_PROBE_OPCODE "vpdpbusd"
#define OCTET_PROBE_REGISTER "zmm"
#include "ceiling_probe.inc"

namespace octet::bench {

double vpdpbusd_512(int64_t rounds) {
  run_chains(rounds);
  return static_cast<double>(rounds * kChains) * 128;
}

}  // namespace octet::bench
