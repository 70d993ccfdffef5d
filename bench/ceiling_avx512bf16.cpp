#include <immintrin.h>

#include "ceiling.h"

#define OCTET_PROBE_OPCODE "vdpbf16ps"
#define OCTET_PROBE_REGISTER "zmm"
#include "ceiling_probe.inc"

namespace octet::bench {

double vdpbf16ps_512(int64_t rounds) {
  run_chains(rounds);
  return static_cast<double>(rounds * kChains) * 64;
}

}  // namespace octet::bench
