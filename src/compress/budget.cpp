#include "compress/budget.h"

#include <chrono>

#include "base/error.h"
#include "base/units.h"
#include "kernels/gemm/gemm.h"

namespace octet {
namespace {

constexpr int64_t kBatchTokens = 1024;
constexpr int64_t kProgram = int64_t{90} << 20;  // the program, its text and tokenizer
constexpr int64_t kThread = int64_t{24} << 20;   // scratch of a thread

struct Sizes {
  int64_t hidden, attention, cache, intermediate, widest, parameters, width;

  explicit Sizes(const DecoderConfig& c)
      : hidden(c.hidden),
        attention(c.heads * c.head_dim),
        cache(c.kv_heads * c.head_dim),
        intermediate(c.intermediate),
        widest(std::max({hidden, attention, intermediate})),
        parameters(2 * hidden * attention + 2 * hidden * cache + 3 * hidden * intermediate),
        width(c.dtype == DType::BF16 ? 2 : 4) {}

  int64_t squares() const { return 2 * hidden * hidden + attention * attention + intermediate * intermediate; }
};

bool has_hessians(const Pipeline& p) {
  return p.rounding != RoundingAlgorithm::nearest || p.weights->name == "importance_mse";
}

// A layer while a batch goes through it.
int64_t watching(const Sizes& s) {
  const int64_t row = 4 * s.hidden + 2 * s.attention + 2 * s.cache + 3 * s.intermediate;
  const int64_t kept = 2 * s.hidden + s.attention + s.intermediate;
  return s.parameters * s.width + kBatchTokens * 4 * (row + kept + 4 * s.widest);
}

// The matrices of the widest input while they are smoothed and rounded.
int64_t making(const Sizes& s, const Pipeline& p) {
  const int64_t largest = s.hidden * s.intermediate;
  const int64_t square = p.rounding == RoundingAlgorithm::nearest
                             ? 0
                             : 10 * s.widest * s.widest;  // measured: a factor, or H packed and being packed
  const int64_t rounding = square + largest * (4 + 4 + 1 + 1) + kBatchTokens * 4 * s.widest;
  const int64_t smoothing = p.smoothing ? largest * (2 * 4 + 4 + 4 + 2 + 2) : 0;
  return std::max(rounding, smoothing) + s.parameters;
}

double seconds_of_product(Format format, Threads& threads) {
  constexpr int64_t kSize = 1024;
  const Tensor a = Tensor::zeros({kSize, kSize});
  const std::vector<uint16_t> narrow(static_cast<size_t>(kSize * kSize));
  kernels::WeightSource source{kSize, kSize, format, a.raw()};
  if (format == Format::BF16) source.codes = reinterpret_cast<const std::byte*>(narrow.data());
  const kernels::PackedWeight packed(source, {format}, threads);
  kernels::PreparedInput prepared;
  Tensor y({kSize, kSize});
  double best = 1e9;
  for (int repeat = 0; repeat < 4; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    prepared.prepare(a.f32(), kSize, kSize, kSize, packed.input(), threads);
    kernels::gemm(prepared, packed, nullptr, y.f32(), kSize, threads);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best / (2.0 * kSize * kSize * kSize);
}

}  // namespace

MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads) {
  const Sizes s(plan.model);
  const int64_t base = kProgram + threads * kThread + (has_hessians(options.pipeline) ? 4 * s.squares() : 0);
  const int64_t ends = options.pipeline.rotation ? int64_t{64} << 20 : 0;
  MemoryPrediction prediction;
  prediction.spilled = base + ends + std::max(watching(s), making(s, options.pipeline));
  prediction.in_memory = prediction.spilled + rows * s.hidden * 2;
  return prediction;
}

int64_t activations_within(const MemoryPrediction& prediction, int64_t budget) {
  if (prediction.in_memory <= budget) return std::numeric_limits<int64_t>::max();
  if (prediction.spilled <= budget) return 0;
  throw UsageError(
      fmt::format("--ram: {} is too little for this model and algorithm; the smallest that can be kept is {}M",
                  human_bytes(static_cast<double>(budget)), prediction.spilled / 1'000'000 + 1));
}

double predict_seconds(const Plan& plan, const CompressOptions& options, int64_t rows, Threads& threads) {
  const Sizes s(plan.model);
  const Pipeline& p = options.pipeline;
  const double narrow = seconds_of_product(s.width == 2 ? Format::BF16 : Format::F32, threads);
  const double wide = seconds_of_product(Format::F32, threads);
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const double forward = 2 * 2 * d(s.parameters) * d(rows) * narrow;  // both passes
  const double hessians = has_hessians(p) ? 1.25 * d(s.squares()) * d(rows) * narrow : 0;
  double rounding = 0;
  if (p.rounding == RoundingAlgorithm::gptq) {
    for (const ModulePlan& module : plan.modules) {
      if (!module.to || module.name.find("layers.0.") == std::string::npos) continue;
      const double columns = d(module.n) * d(module.k) * d(module.k);
      const double trials = 1 + std::clamp(8192.0 / d(module.k), 2.0, 24.0);
      rounding += (columns * trials + 2 * columns) * wide * 1.6 + d(module.n) * d(module.k) * trials * 1.2e-8;
    }
    for (const int64_t k : {s.hidden, s.attention, s.hidden, s.intermediate})
      rounding += d(k) * d(k) * d(k) / 3 * wide * 1.3;
  }
  const double smoothing =
      p.smoothing ? 14 * d(s.parameters) * (2 * 256 * narrow + 8e-9) + 160 * d(s.parameters) * 2e-9 : 0;
  return d(plan.model.layers) * (forward + hessians + rounding + smoothing);
}

}  // namespace octet
