#include "compress/contract_terms.h"

#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/escape.h"
#include "base/units.h"

namespace octet {
namespace {

// The number at the beginning of a text, and what follows it.
std::pair<double, std::string_view> number_and_unit(const std::string& text, const char* option) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) {
    throw UsageError(fmt::format("{} {}: is too large or too small", option, printable(text, 40)));
  }
  if (error != std::errc() || !std::isfinite(number)) {
    throw UsageError(fmt::format("{} {}: is no number", option, printable(text, 40)));
  }
  if (number < 0) throw UsageError(fmt::format("{} {}: is negative; give 0 or more", option, printable(text, 40)));
  return {number, std::string_view(end, static_cast<size_t>(text.data() + text.size() - end))};
}

}  // namespace

double share_named(const std::string& text) {
  const auto [number, unit] = number_and_unit(text, "--max-ppl-increase");
  if (unit == "%") return number / 100;
  if (unit.empty()) return number;
  throw UsageError(fmt::format("--max-ppl-increase {}: give a share such as 0.5% or 0.005", printable(text, 40)));
}

int64_t bytes_named(const std::string& text, const char* option) {
  const auto [number, unit] = number_and_unit(text, option);
  std::string upper(unit);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  double factor = 0;
  for (const auto& [name, power] : {std::pair{"", 1.0}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}}) {
    if (upper == name || upper == std::string(name) + "B") factor = power;
  }
  const std::string where = fmt::format("{} {}", option, printable(text, 40));
  if (factor == 0) throw UsageError(where + ": give bytes, or a number with K, M or G");
  if (number * factor > 9e18) throw UsageError(where + ": is too large");
  return static_cast<int64_t>(number * factor);
}

double seconds_named(const std::string& text) {
  const auto [number, unit] = number_and_unit(text, "--max-latency");
  if (unit == "us" || unit == "µs") return number / 1e6;
  if (unit == "ms") return number / 1000;
  if (unit == "s") return number;
  throw UsageError(fmt::format("--max-latency {}: give a time such as 20ms or 0.02s", printable(text, 40)));
}

std::string miss_of(const Contract& contract, const Candidate& c) {
  std::vector<std::string> misses;
  const double increase = c.comparison.ratio_high - 1, kl = c.comparison.mean_kl;
  const bool finite = std::isfinite(increase) && std::isfinite(kl);
  if (!finite) misses.emplace_back("its logits are NaN or infinite on the validation text");
  if (finite && contract.max_perplexity_increase && increase > *contract.max_perplexity_increase) {
    misses.push_back(fmt::format("perplexity rises by up to {:.3f} %", 100 * increase));
  }
  if (finite && contract.max_kl && kl > *contract.max_kl) {
    misses.push_back(fmt::format("the KL divergence is {:.3e}", kl));
  }
  if (contract.max_bytes && c.bytes > *contract.max_bytes) {
    misses.push_back(fmt::format("it takes {} ({} bytes)", human_bytes(static_cast<double>(c.bytes)), c.bytes));
  }
  if (contract.max_latency && c.latency > *contract.max_latency) {
    misses.push_back(fmt::format("a token takes {}", human_seconds(c.latency)));
  }
  return fmt::format("{}", fmt::join(misses, ", "));
}

bool keeps_quality(const Contract& contract, const Candidate& c) {
  const double increase = c.comparison.ratio_high - 1;
  return (!contract.max_perplexity_increase || increase <= *contract.max_perplexity_increase) &&
         (!contract.max_kl || c.comparison.mean_kl <= *contract.max_kl);
}

double times_over(const Contract& contract, const Candidate& c) {
  double worst = 0;
  const auto look = [&](double value, double limit) {
    const double over = value / std::max(limit, 1e-12);
    worst = std::isnan(over) ? std::numeric_limits<double>::infinity() : std::max(worst, over);
  };
  if (contract.max_perplexity_increase) look(c.comparison.ratio_high - 1, *contract.max_perplexity_increase);
  if (contract.max_kl) look(c.comparison.mean_kl, *contract.max_kl);
  if (contract.max_bytes) look(static_cast<double>(c.bytes), static_cast<double>(*contract.max_bytes));
  if (contract.max_latency) look(c.latency, *contract.max_latency);
  return worst;
}

}  // namespace octet
