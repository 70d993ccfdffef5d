#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "run/model.h"

namespace octet {

struct GenerateOptions {
  int64_t max_tokens = 256;
  Sampling sampling;
  std::vector<std::string> stop;  // the text ends before any of these
  Format cache = Format::BF16;
};

struct Generation {
  std::vector<int32_t> ids;              // new tokens, an end token not among them
  std::string text;                      // what follows the prompt: the space before its first word belongs to it
  const char* finish_reason = "length";  // or "stop"
  double prefill_seconds = 0, decode_seconds = 0;
};

/// Continues `prompt` (at least one token). on_text gets the text as it comes: whole code points, and nothing that may
/// still turn out to be part of a stop string. It returns false to end the generation.
Generation generate(Context& ctx, const Model& model, std::span<const int32_t> prompt, const GenerateOptions& options,
                    const std::function<bool(std::string_view)>& on_text);

}  // namespace octet
