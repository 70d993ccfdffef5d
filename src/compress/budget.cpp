#include "compress/budget.h"

#include <array>
#include <chrono>

#include "base/error.h"
#include "base/units.h"
#include "compress/layerwise.h"
#include "kernels/gemm/gemm.h"
#include "quant/rounding/learned.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kProgram = int64_t{64} << 20;  // the program and the stacks of its helpers
constexpr int64_t kThread = int64_t{16} << 20;   // stack and scratch of a thread
constexpr int64_t kTokenizer = 16;               // bytes of memory for a byte of tokenizer.json
constexpr int64_t kProductRows = 512;            // of a product while rounding
constexpr int64_t kLogits = int64_t{64} << 20;   // of a slice of logits
constexpr int64_t kRows = int64_t{64} << 20;     // of a measured text's rows that stand in memory

struct Sizes {
  int64_t hidden, attention, cache, intermediate, widest, parameters, width, batch;

  Sizes(const DecoderConfig& c, int64_t context)
      : hidden(c.hidden),
        attention(c.heads * c.head_dim),
        cache(c.kv_heads * c.head_dim),
        intermediate(c.intermediate),
        widest(std::max({hidden, attention, intermediate})),
        parameters(2 * hidden * attention + 2 * hidden * cache + 3 * hidden * intermediate),
        width(c.dtype == DType::BF16 ? 2 : 4),
        batch(std::max(kBatchTokens, context)) {}

  int64_t squares() const { return 2 * hidden * hidden + attention * attention + intermediate * intermediate; }
};

// Matrices of one input: its width, the numbers of the largest of them and of all.
struct Group {
  int64_t k, largest, together;
};
std::array<Group, 4> groups_of(const Sizes& s) {
  return {{{s.hidden, s.hidden * s.attention, s.hidden * (s.attention + 2 * s.cache)},
           {s.attention, s.attention * s.hidden, s.attention * s.hidden},
           {s.hidden, s.hidden * s.intermediate, 2 * s.hidden * s.intermediate},
           {s.intermediate, s.intermediate * s.hidden, s.intermediate * s.hidden}}};
}

bool has_hessians(const Pipeline& p) {
  return p.rounding != RoundingAlgorithm::nearest || p.weights->name == "importance_mse";
}

// A layer while a batch goes through it: its weights, what the forward holds, what is kept of the inputs.
int64_t forward(const Sizes& s) {
  const int64_t row = 4 * s.hidden + 2 * s.attention + 2 * s.cache + 3 * s.intermediate;
  return s.parameters * s.width + s.batch * 4 * row;
}

int64_t watching(const Sizes& s, const Pipeline& p) {
  const int64_t kept = 2 * s.hidden + s.attention + s.intermediate;
  const int64_t hessians = has_hessians(p) ? 4 * s.squares() + s.batch * 4 * 3 * s.widest : 0;
  return forward(s) + s.batch * 4 * kept + hessians;
}

// A factor beside H, the errors and codes of one matrix, and a batch of its rows; or, of learned rounding, whole H
// twice over and three numbers of state a weight.
int64_t rounding(const Group& g, const Pipeline& p) {
  if (p.rounding == RoundingAlgorithm::nearest) return g.largest * (4 + 4 + 1);
  const int64_t products = 6 * kProductRows * 4 * g.k;  // measured: rows prepared, packed and being freed
  if (p.rounding == RoundingAlgorithm::learned) return 8 * g.k * g.k + g.largest * (4 + 4 + 1 + 8) + 2 * products;
  return 4 * g.k * g.k + g.largest * (4 + 4 + 1 + 1) + products;
}

// Of one input after the other; those that are done have codes, those to come their H.
int64_t making(const Sizes& s, const Pipeline& p) {
  int64_t left = has_hessians(p) ? 4 * s.squares() : 0, coded = 0;
  int64_t most = p.rotation ? s.parameters * s.width + 14 * s.hidden * s.widest : 0;  // the layer is rotated
  for (const Group& g : groups_of(s)) {
    const int64_t numbers = p.rotation ? g.together * s.width : 0;  // of a rotated layer, until it is written
    const int64_t smoothing = p.smoothing ? left + g.together * 4 + g.largest * (4 + 4 + 4 + 2 + 1 + 1) : 0;
    most = std::max({most, left + coded + g.together + numbers + rounding(g, p), smoothing});
    if (has_hessians(p)) left -= 4 * g.k * g.k;
    coded += g.together + numbers;
  }
  return most;
}

int64_t program(const CompressOptions& options, int threads) {
  std::error_code error;
  const auto size_of = [&](const std::filesystem::path& path) {
    const auto size = std::filesystem::file_size(path, error);
    return error ? int64_t{0} : static_cast<int64_t>(size);
  };
  const int64_t text = options.calibration ? 2 * size_of(*options.calibration) : 0;
  const int64_t tokenizer = options.calibration ? kTokenizer * size_of(options.model / "tokenizer.json") : 0;
  return kProgram + threads * kThread + text + tokenizer;
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
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto end = now() + std::chrono::milliseconds(80);  // the first ones are slow: memory, clocks, threads
  double best = 1e9;
  for (int repeat = 0; repeat < 4 || now() < end; ++repeat) {
    const auto start = now();
    prepared.prepare(a.f32(), kSize, kSize, kSize, packed.input(), threads);
    kernels::gemm(prepared, packed, nullptr, y.f32(), kSize, threads);
    best = std::min(best, std::chrono::duration<double>(now() - start).count());
  }
  return best / (2.0 * kSize * kSize * kSize);
}

// Seconds of one thread, measured; none of them depends on the processor's products.
constexpr double kLearnNumber = 3.0e-8;   // one iteration of learned rounding
constexpr double kKlOfScale = 1.2e-3;     // of a scale's numbers: 121 thresholds of up to 2048 bins
constexpr double kCodebook = 0.1;         // of a matrix: dynamic programming
constexpr double kCodebookNumber = 3e-8;  // Lloyd's steps, and the codes

double sets_of(const ModulePlan& module) {
  const Shape shape = scale_shape(*module.to->weights, module.n, module.k);
  return static_cast<double>(elements_of(shape));
}

// Ranges and codes of all matrices; `product`: seconds of a multiplication and an addition, on all threads.
double seconds_of_making(const Plan& plan, const CompressOptions& options, const Sizes& s, double product,
                         int threads) {
  const Pipeline& p = options.pipeline;
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  double alone = 0, together = 0;
  for (const ModulePlan& module : plan.modules) {
    if (!module.to) continue;
    const double numbers = d(module.n) * d(module.k), columns = numbers * d(module.k);
    if (p.weights->name == "kl") alone += sets_of(module) * kKlOfScale;
    if (module.to->weights->format == Format::CODEBOOK) together += kCodebook, alone += numbers * kCodebookNumber;
    if (p.rounding == RoundingAlgorithm::learned) {
      const double iterations = LearnedRoundingOptions().iterations;
      alone += iterations * numbers * kLearnNumber;
      together += iterations * 2 * columns * product;
    }
    if (p.rounding == RoundingAlgorithm::gptq) {
      const double trials = 1 + std::clamp(8192.0 / d(module.k), 2.0, 64.0);
      together += (columns * trials + 2 * columns) * product * 1.6 + numbers * trials * 1.2e-8;
    }
  }
  if (p.rounding == RoundingAlgorithm::gptq) {
    for (const int64_t k : {s.hidden, s.attention, s.hidden, s.intermediate})
      together += d(plan.model.layers) * d(k) * d(k) * d(k) / 3 * product * 1.3;
  }
  return alone / threads + together;
}

}  // namespace

MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads) {
  const Sizes s(plan.model, std::min(options.context, rows));
  const bool plain = options.pipeline.plain();
  MemoryPrediction prediction;
  prediction.spilled = program(options, threads);
  if (rows == 0) {
    prediction.in_memory = prediction.spilled;
    return prediction;
  }
  const int64_t ends = options.pipeline.rotation ? int64_t{64} << 20 : 0;
  prediction.spilled +=
      plain ? forward(s) : ends + std::max(watching(s, options.pipeline), making(s, options.pipeline));
  const Format kept = plain ? Format::F32 : Format::BF16;
  prediction.in_memory = prediction.spilled + Activations::bytes(rows, s.hidden, kept);
  return prediction;
}

MeasuringPrediction predict_measuring(const Plan& plan, const CompressOptions& options, int64_t rows, int threads,
                                      const Contract& contract) {
  const Sizes s(plan.model, std::min(options.context, rows));
  const int64_t head = plan.model.vocabulary * s.hidden * s.width;
  const bool own_head = options.include_head || options.pipeline.rotation;
  const int64_t logits = (own_head ? 2 : 1) * head + 3 * std::min(kLogits, rows * plan.model.vocabulary * 4);
  const int64_t of_text = Activations::bytes(rows, s.hidden, Format::F32), one = of_text > kRows ? 0 : of_text;
  const int64_t streams = (8 * plan.model.layers + 2) * of_text;  // of the sensitivities, two schemes a unit
  const int64_t all = program(options, threads) + 2 * one + std::min(kRows, streams);
  const int64_t decoding = contract.max_latency ? plan.bytes_before : 0;  // the whole model, at worst as it was
  return {all + std::max({head + forward(s) + s.parameters * s.width, logits, head + decoding}), head + one};
}

int64_t predict_report(const Plan& plan, const CompressOptions& options, int threads) {
  return program(options, threads) + plan.bytes_before + plan.bytes_after + 3 * kLogits;
}

int64_t activations_within(const MemoryPrediction& prediction, int64_t budget) {
  if (prediction.in_memory <= budget) return std::numeric_limits<int64_t>::max();
  if (prediction.spilled <= budget) return 0;
  refuse_budget(budget, prediction.spilled);
}

void refuse_budget(int64_t budget, int64_t smallest) {
  throw UsageError(
      fmt::format("--ram: {} is too little for this model and algorithm; the smallest that can be kept is {}M",
                  human_bytes(static_cast<double>(budget)), smallest / 1'000'000 + 1));
}

double predict_seconds(const Plan& plan, const CompressOptions& options, int64_t rows, Threads& threads) {
  const Sizes s(plan.model, options.context);
  const Pipeline& p = options.pipeline;
  const double narrow = seconds_of_product(s.width == 2 ? Format::BF16 : Format::F32, threads);
  const double wide = seconds_of_product(Format::F32, threads);
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const double layers = d(plan.model.layers);
  const double passes =
      options.kv_cache_fp8 || options.include_head ? 2 : 2 - 1 / layers;  // watched, and as it was made
  const double forward = passes * 2 * d(s.parameters) * d(rows) * narrow;
  const double hessians = has_hessians(p) ? 1.25 * d(s.squares()) * d(rows) * narrow : 0;
  const double smoothing =
      p.smoothing ? 14 * d(s.parameters) * (2 * 256 * narrow + 8e-9) + 160 * d(s.parameters) * 2e-9 : 0;
  return layers * (forward + hessians + smoothing) + seconds_of_making(plan, options, s, wide, threads.count());
}

}  // namespace octet
