#include "compress/estimate.h"

#include <chrono>

#include "compress/matrix_source.h"
#include "quant/quantize.h"

namespace octet {
namespace {

constexpr int64_t kSample = 1 << 21;  // numbers that are encoded to see how fast that is
constexpr double kReadWrite = 2.0e9;  // bytes a second of a core, through the page cache
constexpr double kHash = 1.5e9;       // bytes a second, on one core

// Seconds a number that is encoded by one thread.
double seconds_of_a_number(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options) {
  if (plan.modules.empty()) return 0;
  const ModulePlan* largest = &plan.modules.front();
  for (const ModulePlan& module : plan.modules) {
    if (module.n * module.k > largest->n * largest->k) largest = &module;
  }
  MatrixSource source(checkpoint, *largest);
  const int64_t rows = std::min(largest->n, std::max<int64_t>(1, kSample / largest->k));
  Threads alone(1);
  double best = 0;
  for (int repeat = 0; repeat < 2; ++repeat) {  // the first one reads the file
    const auto start = std::chrono::steady_clock::now();
    const Tensor w = source.rows(0, rows, largest->dtype);
    if (largest->to) quantize(w, *largest->to->weights, options.quantize, alone, source.where());
    best = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  source.drop();
  return best / static_cast<double>(rows * largest->k);
}

std::string description_of(const Quantization& q) {
  const std::string_view format = format_info(q.format).name;
  switch (q.granularity) {
    case Granularity::tensor:
      return fmt::format("{} per tensor", format);
    case Granularity::channel:
      return fmt::format("{} per channel", format);
    case Granularity::token:
      return fmt::format("{} per token", format);
    case Granularity::group:
      return fmt::format("{} in groups of {}", format, q.group);
    case Granularity::block:
      return fmt::format("{} in blocks of {}x{}", format, q.block_rows, q.group);
  }
  return std::string(format);
}

}  // namespace

double estimate_seconds(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                        Threads& threads) {
  double numbers = 0;
  for (const ModulePlan& module : plan.modules) {
    const bool twice = module.range_set >= 0;  // looked at, then encoded
    numbers += static_cast<double>(module.n) * static_cast<double>(module.k) * (twice ? 1.3 : 1.0);
  }
  const double before = static_cast<double>(plan.bytes_before), after = static_cast<double>(plan.bytes_after);
  const double work = numbers * seconds_of_a_number(checkpoint, plan, options) + (before + after) / kReadWrite;
  return std::max(before / kHash, (work + before / kHash) / threads.count());
}

std::string description_of(const ConfigGroup& group) {
  std::string text = description_of(*group.weights);
  if (group.activations) {
    text += fmt::format("; inputs {}{}", description_of(*group.activations),
                        group.activations->dynamic ? "" : ", calibrated");
  }
  return text;
}

}  // namespace octet
