#include "compress/duration.h"

#include <chrono>

#include "compress/input_statistics.h"
#include "compress/matrix_source.h"
#include "compress/modules.h"
#include "compress/walk_sizes.h"
#include "kernels/gemm/gemm.h"
#include "quant/quantize.h"
#include "quant/rounding/learned.h"
#include "quant/scale.h"
#include "quant/transform/smoothing.h"

namespace octet {
namespace {

constexpr int64_t kTimedRows = 256, kTimedSize = 768;  // of a product whose time is taken
static_assert(kBytesOfTiming == 4 * (3 * kTimedSize + 2 * kTimedRows) * kTimedSize);

double seconds_of_product(Format format, Threads& threads) {
  const Tensor a = Tensor::zeros({kTimedSize, kTimedSize});
  const std::vector<uint16_t> narrow(format == Format::BF16 ? static_cast<size_t>(kTimedSize * kTimedSize) : 0);
  kernels::WeightSource source{kTimedSize, kTimedSize, format, a.raw()};
  if (!narrow.empty()) source.codes = reinterpret_cast<const std::byte*>(narrow.data());
  const kernels::PackedWeight packed(source, {format}, threads);
  kernels::PreparedInput prepared;
  Tensor y({kTimedRows, kTimedSize});
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto end = now() + std::chrono::milliseconds(80);  // the first ones are slow: memory, clocks, threads
  double best = 1e9;
  for (int repeat = 0; repeat < 4 || now() < end; ++repeat) {
    const auto start = now();
    prepared.prepare(a.f32(), kTimedRows, kTimedSize, kTimedSize, packed.input(), threads);
    kernels::gemm(prepared, packed, nullptr, y.f32(), kTimedSize, threads);
    best = std::min(best, std::chrono::duration<double>(now() - start).count());
  }
  return best / (2.0 * kTimedRows * kTimedSize * kTimedSize);
}

// Seconds of one thread, measured; none of them depends on the processor's products.
constexpr double kLearnNumber = 3.7e-8;   // one iteration of learned rounding
constexpr double kKlOfScale = 9.0e-4;     // of a scale's numbers: 121 thresholds of up to 2048 bins
constexpr double kCodebook = 0.035;       // of a matrix: dynamic programming
constexpr double kCodebookNumber = 3e-8;  // Lloyd's steps, and the codes

constexpr double kGptqOfFp8 = 3.1e-8;
constexpr double kGptqNumber = 3.1e-8;                      // one trial of a scale
constexpr double kGptqOfCodebook = 8.1e-8;                  // the same where the code is looked up
constexpr double kSmoothNumber = 2.6e-8;                    // one trial of a strength
constexpr double kRefineNumber = 1.6e-9;                    // one step of refining
constexpr int64_t kRefined = int64_t{4} << 20;              // numbers of a matrix that are looked at
constexpr double kFreshByte = 4e-10;                        // of an activation, in pages that are new
constexpr double kScoredLogit = 1.0e-8;                     // of two models: normalized, hashed and compared
constexpr int64_t kPrefilled = 6 * 128;                     // tokens, while the speed of a model is measured
constexpr double kDecoded = 6 * 16, kDecodedBytes = 8.0e9;  // tokens, and weights a second
constexpr double kBegin = 0.3;                              // text to tokens, and the files

double sets_of(const ModulePlan& module) {
  const Shape shape = scale_shape(*module.to->weights, module.n, module.k);
  return static_cast<double>(elements_of(shape));
}

// Ranges and codes of all matrices; `product`: seconds of a multiplication and an addition, on all threads.
double seconds_of_making(const Plan& plan, const CompressOptions& options, const WalkSizes& s, double product,
                         int threads) {
  const Pipeline& p = options.pipeline;
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  double alone = 0, together = 0;
  bool refines = false;
  for (const ModulePlan& module : plan.modules) {
    if (!module.to) continue;
    const double numbers = d(module.n) * d(module.k), columns = numbers * d(module.k);
    if (p.weights->name == "kl") alone += sets_of(module) * kKlOfScale;
    if (module.to->weights->format == Format::CODEBOOK) together += kCodebook, alone += numbers * kCodebookNumber;
    const bool refined = module.to->activations && module.to->activations->format == Format::INT8;
    if (p.smoothing && p.smoothing_strength < 0) {
      alone += 14 * numbers * kSmoothNumber;
      const int64_t samples = fused_name(module.name) == module.name ? sample_rows(module.k) * module.k : 0;
      refines = refines || refined;
      if (refined) alone += 80 * d(std::min(module.n * module.k, kRefined) + samples) * kRefineNumber;
    }
    if (p.rounding == RoundingAlgorithm::learned) {
      const double iterations = LearnedRoundingOptions().iterations;
      alone += iterations * numbers * kLearnNumber;
      together += iterations * 2 * columns * product;
    }
    if (p.rounding == RoundingAlgorithm::gptq) {
      const double trials = 1 + std::clamp(8192.0 / d(module.k), 2.0, 64.0);
      const Format format = module.to->weights->format;
      together += (columns * trials + 2 * columns) * product * 1.6;
      together += (module.k == s.intermediate ? 2 : 4) * columns * product * 1.6;  // moved against the drift
      alone += numbers * trials *
               (format == Format::INT8       ? kGptqNumber
                : format == Format::CODEBOOK ? kGptqOfCodebook
                                             : kGptqOfFp8);
    }
  }
  if (p.rounding == RoundingAlgorithm::gptq) {
    const double factors = refines ? 2 : 1;
    for (const int64_t k : {s.hidden, s.attention, s.hidden, s.intermediate})
      together += factors * d(plan.model.layers) * d(k) * d(k) * d(k) / 3 * product * 1.3;
  }
  return alone / threads + together;
}

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

// All modules are read, encoded where no walk has done so, hashed and written.
double seconds_of_writing(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
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

double seconds_of_walk(const Plan& plan, const CompressOptions& options, int64_t rows, Threads& threads) {
  const WalkSizes s(plan.model, options.context, rows);
  const Pipeline& p = options.pipeline;
  const double narrow = seconds_of_product(s.width == 2 ? Format::BF16 : Format::F32, threads);
  const double wide = seconds_of_product(Format::F32, threads);
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const double layers = d(plan.model.layers);
  const double made = options.kv_cache_fp8 || options.include_head ? 1 : 1 - 1 / layers;
  const double passes = made + (p.follows_floats() ? 2 : 1);  // watched
  const double attention = 2 * d(s.attention) * d(std::min(options.context, rows)) * wide;
  const double forward =
      passes * d(rows) * (2 * d(s.parameters) * narrow + attention + d(bytes_of_row(s)) * kFreshByte);
  const double hessians = p.needs_hessians() ? (1.25 * d(s.squares()) + 2.5 * d(drifts(s, p))) * d(rows) * narrow : 0;
  const double smoothing = p.smoothing && p.smoothing_strength < 0 ? 14 * d(s.parameters) * 2 * 256 * narrow : 0;
  return kBegin + layers * (forward + hessians + smoothing) +
         seconds_of_making(plan, options, s, wide, threads.count());
}

}  // namespace

double predict_report_seconds(const Plan& plan, const CompressOptions& options, int64_t tokens, Threads& threads) {
  const WalkSizes s(plan.model, options.context, tokens);
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const double product = seconds_of_product(s.width == 2 ? Format::BF16 : Format::F32, threads);
  const double numbers = d(plan.model.layers * s.parameters + plan.model.vocabulary * s.hidden);
  const double attention = d(plan.model.layers * s.attention * options.context);
  const double scored = d(tokens) * d(plan.model.vocabulary) * kScoredLogit / threads.count();
  const double token = 2 * (numbers + attention) * product + 0.75 * d(plan.model.layers * bytes_of_row(s)) * kFreshByte;
  const double read = d(plan.bytes_before + plan.bytes_after) / kDecodedBytes;  // by each token
  return kBegin + 2 * d(tokens + kPrefilled) * token + scored + (1 + kDecoded) * read;
}

double predict_seconds(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options, int64_t rows,
                       Threads& threads) {
  const double walk = rows > 0 ? seconds_of_walk(plan, options, rows, threads) : 0;
  return walk + seconds_of_writing(checkpoint, plan, options, threads);
}

}  // namespace octet
