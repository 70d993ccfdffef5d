#pragma once
#include <optional>
#include <string>

#include "eval/perplexity.h"

namespace octet {

/// What a compressed model has to keep. Each holds or does not; none is traded for another.
struct Contract {
  std::optional<double> max_perplexity_increase;  // a share; the upper end of the paired 95 % interval
  std::optional<double> max_kl;                   // nats a token
  std::optional<int64_t> max_bytes;               // of the directory's files
  std::optional<double> max_latency;              // seconds a decoded token here, in the slowest of some runs
  bool empty() const { return !max_perplexity_increase && !max_kl && !max_bytes && !max_latency; }
  bool about_quality() const { return max_perplexity_increase || max_kl; }
  bool about_cost() const { return max_bytes || max_latency; }
};

/// "0.5%" or "0.005". Throws UsageError.
double share_named(const std::string& text);
/// "700M", "1.5G", "4096": powers of 1000. Throws UsageError naming the option.
int64_t bytes_named(const std::string& text, const char* option);
/// "20ms", "0.02s". Throws UsageError.
double seconds_named(const std::string& text);

/// A model that was made and measured.
struct Candidate {
  size_t kept = 0;  // units that stay as wide as they are
  int64_t bytes = 0;
  double latency = 0;
  Comparison comparison;
  bool holds = false, keeps_quality = false;
  std::string miss;  // what does not hold, in words
};

/// What of it does not hold, in words; empty: all does. NaN holds nothing.
std::string miss_of(const Contract& contract, const Candidate& candidate);
/// Whether perplexity and KL divergence hold, whatever it costs.
bool keeps_quality(const Contract& contract, const Candidate& candidate);
/// How many times over its limit the worst is.
double times_over(const Contract& contract, const Candidate& candidate);

}  // namespace octet
