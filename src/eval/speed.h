#pragma once
#include <string>

#include "models/decoder.h"

namespace octet {

struct SpeedOptions {
  int64_t prefill = 512;  // tokens of a prompt; 0: not timed
  int64_t decode = 64;    // tokens decoded one after the other; 0: not timed
  int64_t depth = 0;      // positions that stand in the cache before the decoding starts (0: the first token alone)
  int64_t batch = 1;      // sequences that are decoded together
  int repeat = 3;         // timed runs, after one that warms up
  std::string cache = "auto";
};

/// Medians of the timed runs.
struct Speed {
  double prefill_tokens_per_second = 0, decode_tokens_per_second = 0;
  double slowest_decode_tokens_per_second = 0;  // of the slowest run
  double first_token_seconds = 0;  // of the first token after loading, once, before anything is warm
};

/// Times prefill (with the head on the last position only) and decoding (the head on every token) apart.
Speed measure_speed(Context& ctx, const Decoder& decoder, const SpeedOptions& options);

}  // namespace octet
