#include "compress/budget.h"

#include <array>
#include <chrono>

#include "base/error.h"
#include "base/memory.h"
#include "base/units.h"
#include "compress/input_statistics.h"
#include "compress/layer_noise.h"
#include "compress/layerwise.h"
#include "compress/modules.h"
#include "eval/perplexity.h"
#include "kernels/gemm/gemm.h"
#include "quant/rounding/learned.h"
#include "quant/scale.h"
#include "quant/transform/smoothing.h"

namespace octet {
namespace {

constexpr int64_t kSlack = int64_t{3} << 20;           // what a heap holds between blocks, and threads yet to come
constexpr int64_t kThread = int64_t{512} << 10;        // a thread's own scratch memory
constexpr int64_t kPiece = int64_t{1} << 20;           // of a matrix that a thread takes while the model is written
constexpr int64_t kEnds = int64_t{16} << 20;           // of the embedding, as F32, that is rotated at once
constexpr int64_t kCodebookMemory = int64_t{7} << 20;  // while one is divided into clusters
constexpr int64_t kSensitivityTokens = 2048;
constexpr int64_t kTokenizer = 16;                     // bytes of memory for a byte of tokenizer.json, while it is read
constexpr int64_t kTimedRows = 256, kTimedSize = 768;  // of a product whose time is taken
constexpr int64_t kTiming = 4 * (3 * kTimedSize + 2 * kTimedRows) * kTimedSize;
constexpr int64_t kJudgedDrift = 511;           // rows of a drift of which half a text's is kept, at most
constexpr int64_t kLogits = int64_t{64} << 20;  // of a slice of logits
constexpr int64_t kRows = int64_t{64} << 20;    // of a measured text's rows that stand in memory

struct Sizes {
  int64_t hidden, attention, cache, intermediate, widest, parameters, width, rows, batch;

  Sizes(const DecoderConfig& c, int64_t context, int64_t rows)
      : hidden(c.hidden),
        attention(c.heads * c.head_dim),
        cache(c.kv_heads * c.head_dim),
        intermediate(c.intermediate),
        widest(std::max({hidden, attention, intermediate})),
        parameters(2 * hidden * attention + 2 * hidden * cache + 3 * hidden * intermediate),
        width(c.dtype == DType::BF16 ? 2 : 4),
        rows(rows),
        batch(std::min(std::max(kBatchTokens, context), rows)) {}

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

// What is lacking of an input, or of what goes into the residual stream, times the input.
int64_t drift(const Group& g, const Sizes& s) {
  const int64_t lacking = g.k == s.intermediate ? s.hidden : g.k;
  return (lacking + std::min(lacking, kJudgedDrift)) * g.k;
}

int64_t drifts(const Sizes& s, const Pipeline& p) {
  int64_t numbers = 0;
  for (const Group& g : groups_of(s)) numbers += p.follows_floats() ? drift(g, s) : 0;
  return numbers;
}

// Rows that are kept of the inputs of a layer.
int64_t samples(const Sizes& s) {
  int64_t numbers = 0;
  for (const Group& g : groups_of(s)) numbers += std::min(sample_rows(g.k), s.rows) * g.k;
  return 4 * numbers;
}

// What the forward holds of a row: in attention or in the MLP, with what the next product is made from; and its keys
// and values.
int64_t bytes_of_row(const Sizes& s) {
  const int64_t attention = 4 * (3 * s.hidden + 2 * s.attention + 2 * s.cache) + s.width * s.hidden;
  const int64_t mlp = 4 * (3 * s.hidden + 3 * s.intermediate) + s.width * s.intermediate;
  return std::max(attention, mlp) + 2 * s.width * s.cache;
}

// A layer while a batch goes through it: its weights, and what the forward holds.
int64_t forward(const Sizes& s) {
  return s.parameters * s.width + s.batch * bytes_of_row(s);
}

// Beside it what is kept of the inputs, and what makes their sums: rows transposed, prepared and weighted. `beside`:
// what is held while one batch goes through once more.
int64_t watching(const Sizes& s, const Pipeline& p, int64_t rows, int64_t beside) {
  const int64_t all = s.parameters * s.width + samples(s);
  const int64_t during = s.batch * (bytes_of_row(s) + 4 * (s.hidden + s.attention));
  if (!has_hessians(p)) return all + during + beside + reused_bytes(s.batch, s.hidden, s.intermediate);
  const int64_t scratch = s.batch * ((4 + s.width) * s.widest + 256 * s.width) + 256 * 4 * s.widest;
  const int64_t kept = s.batch * 4 * (3 * s.hidden + s.attention + s.intermediate);
  const int64_t after = kept + scratch + s.batch * (4 * s.widest + 256 * s.width);
  const int64_t sums = 4 * (s.squares() + drifts(s, p));
  const int64_t both = p.follows_floats() ? 4 * s.batch * (3 * s.hidden + s.attention + s.intermediate) : 0;
  const int64_t widest_lacking = std::max(s.hidden, s.attention);
  const int64_t of_drift =
      s.batch * ((12 + s.width) * widest_lacking + 4 * s.widest + 256 * s.width) + 4 * 256 * widest_lacking;
  const int64_t lacking = p.follows_floats() ? of_drift : 0;
  const int64_t reused = reused_bytes(s.batch, s.hidden, s.intermediate);
  return all + sums + both + reused +
         std::max({during + (rows > s.batch ? scratch + lacking : 0), after + lacking, during + beside});
}

// Products with a strip of a K x K matrix: the strip as it is and packed, rows prepared.
int64_t strips(int64_t k) {
  constexpr int64_t kStrip = 256, kProductRows = 512;
  return 4 * k * (2 * kStrip + kStrip + kProductRows);
}

// Matrices of one input while they are moved to make up for the drift, beside H and its factor.
int64_t moving(const Group& g, const Sizes& s) {
  const int64_t product = g.k == s.intermediate ? 0 : 8 * g.k * g.k;  // the drift transposed, and packed
  const int64_t solving = 4 * g.k * (4 * 512 + 2 * 128);
  return 4 * g.k * g.k + 4 * g.together + 4 * g.largest + std::max(product, solving);
}

// One matrix beside H: whole as F32, what its rounding holds, and its codes.
int64_t rounding(const Group& g, const Pipeline& p) {
  constexpr int64_t kLearnedRows = 256, kLearned = 36;  // rows at once, bytes of state a number
  const int64_t whole = 4 * g.largest + g.largest;
  if (p.rounding == RoundingAlgorithm::nearest) return whole + 4 * g.largest;
  if (p.rounding == RoundingAlgorithm::learned) return 8 * g.k * g.k + whole + kLearnedRows * kLearned * g.k;
  return 4 * g.k * g.k + whole + 4 * g.largest + g.largest + 512 * g.largest / g.k + strips(g.k);
}

// Weights as F32, one of them twice while it is changed, or scaled, as stored, as codes and packed; the samples scaled,
// prepared and multiplied.
int64_t smoothing(const Group& g, const Sizes& s) {
  const int64_t rows = 4 * std::min(trial_rows(g.k), s.rows);
  const int64_t weight = std::max<int64_t>(8, 4 + s.width + 1 + 1) * g.largest;
  return 4 * g.together + weight +
         std::max(rows * (4 * g.k + g.together / g.k + g.largest / g.k), 4 * std::min(sample_rows(g.k), s.rows) * g.k);
}

// What a report looks at: one matrix beside itself clipped or coded, both packed, and slices of their products.
int64_t noise(const Group& g) {
  return 16 * g.largest + kNoiseRows * (4 * g.k + 8 * g.largest / g.k);
}

// Numbers that a report keeps of a layer.
int64_t noted(const Sizes& s) {
  constexpr int64_t kModules = 7, kGrid = 256;
  return kModules * (2 * kQuotients + kGrid) + 2 * s.hidden + s.attention + s.intermediate;
}

// Where a report is wanted: the first batch of both streams, and what was noted; while it is written as JSON, or inputs
// of both streams are held.
struct Watched {
  int64_t kept = 0, written = 0, inputs = 0;
};
Watched watched(const Sizes& s, const Plan& plan, const CompressOptions& options) {
  constexpr int64_t kJsonNumber = 80;
  if (!options.watch_noise) return {};
  return {8 * s.batch * s.hidden + 4 * noted(s) * plan.model.layers, kJsonNumber * noted(s),
          8 * s.batch * (2 * s.hidden + s.attention + s.intermediate) + 4 * s.batch * s.hidden};
}

// Of one input after the other; those that are done have codes, those to come their H.
int64_t making(const Sizes& s, const Pipeline& p, bool watch_noise) {
  int64_t left = has_hessians(p) ? 4 * (s.squares() + drifts(s, p)) : 0, coded = samples(s);
  int64_t most = p.rotation ? s.parameters * s.width + 14 * s.hidden * s.widest : 0;  // the layer is rotated
  for (const Group& g : groups_of(s)) {
    const int64_t numbers = p.rotation ? g.together * s.width : 0;  // of a rotated layer, until it is written
    const int64_t smooth = p.smoothing ? left + coded + smoothing(g, s) : 0;
    if (p.follows_floats()) {
      most = std::max(most, left + coded + numbers + moving(g, s));
      left -= 4 * drift(g, s);
    }
    const int64_t targets = p.follows_floats() ? 4 * (g.together - g.largest) : 0;
    const int64_t looking = watch_noise ? noise(g) + (p.follows_floats() ? 4 * g.largest : 0) : 0;
    most = std::max({most, left + coded + g.together + numbers + targets + std::max(rounding(g, p), looking), smooth});
    if (has_hessians(p)) left -= 4 * g.k * g.k;
    coded += g.together + numbers;
  }
  return most + reused_while_made(s.hidden * std::max(s.intermediate, s.attention));
}

// What is taken now, and by threads at any time.
int64_t program(int threads) {
  return static_cast<int64_t>(data_bytes()) + kSlack + threads * kThread;
}

bool has_codebooks(const Plan& plan) {
  return std::any_of(plan.modules.begin(), plan.modules.end(), [](const ModulePlan& module) {
    return module.to && module.to->weights->format == Format::CODEBOOK;
  });
}

// While the model is written: each thread holds what it makes of a piece of a matrix, and packed codes are copies.
int64_t writing(const Plan& plan, bool plain, int threads) {
  int64_t most = 0;
  for (const ModulePlan& module : plan.modules) {
    const int64_t piece = std::min(kPiece, module.n * module.k * bytes_of(module.dtype));
    most = std::max(most, module.to && module.to->storage == Storage::pack_quantized ? 2 * piece : piece);
  }
  return threads * (most + (plain && has_codebooks(plan) ? kCodebookMemory : 0));
}

// Until text is tokens.
int64_t tokenizing(const CompressOptions& options) {
  std::error_code error;
  const auto size = std::filesystem::file_size(options.model / "tokenizer.json", error);
  return error ? 0 : kTokenizer * static_cast<int64_t>(size);
}

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
constexpr double kLearnNumber = 3.0e-8;   // one iteration of learned rounding
constexpr double kKlOfScale = 9.0e-4;     // of a scale's numbers: 121 thresholds of up to 2048 bins
constexpr double kCodebook = 0.035;       // of a matrix: dynamic programming
constexpr double kCodebookNumber = 3e-8;  // Lloyd's steps, and the codes

constexpr double kGptqOfFp8 = 5.0e-8;
constexpr double kGptqNumber = 3.5e-8;          // one trial of a scale
constexpr double kGptqOfCodebook = 8.1e-8;      // the same where the code is looked up
constexpr double kSmoothNumber = 1.6e-8;        // one trial of a strength
constexpr double kRefineNumber = 1.4e-9;        // one step of refining
constexpr int64_t kRefined = int64_t{4} << 20;  // numbers of a matrix that are looked at
constexpr double kFreshByte = 4e-10;            // of an activation, in pages that are new
constexpr double kBegin = 0.3;                  // text to tokens, and the files

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

// Of two models that are compared, a slice at a time; and the rows that they are made of.
int64_t bytes_of_logits(const Plan& plan, const Sizes& s, int64_t rows) {
  const int64_t slice = std::min(rows, std::max<int64_t>(1, kLogits / 4 / plan.model.vocabulary));
  return slice * (8 * plan.model.vocabulary + 16 * s.hidden) + 128 * rows;
}

}  // namespace

MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads) {
  const int64_t all = program(threads), written = writing(plan, options.pipeline.plain(), threads);
  if (rows == 0) return {all + written, all + written};
  const Sizes s(plan.model, options.context, rows);
  const bool plain = options.pipeline.plain();
  const int64_t codebook = has_codebooks(plan) ? kCodebookMemory : 0;
  const Watched noise = plain ? Watched() : watched(s, plan, options);
  const int64_t layer = plain ? forward(s)
                              : noise.kept + std::max(watching(s, options.pipeline, rows, noise.inputs),
                                                      making(s, options.pipeline, options.watch_noise) + codebook);
  const int64_t streams = options.pipeline.follows_floats() ? 2 : 1;
  const int64_t held = streams * Activations::bytes(rows, s.hidden, plain ? Format::F32 : Format::BF16);
  const int64_t table = 4 * plan.model.vocabulary * s.hidden;
  const int64_t ends = options.pipeline.rotation ? 4 * std::min(kEnds, table) : 0;
  const int64_t least = std::max({tokenizing(options), written, kTiming, ends, noise.kept + noise.written});
  return {all + std::max(least, layer + held), all + std::max(least, layer)};
}

MeasuringPrediction predict_measuring(const Plan& plan, const CompressOptions& options, int64_t rows, int threads,
                                      const Contract& contract, int64_t schemes) {
  const Sizes s(plan.model, options.context, rows);
  const int64_t head = plan.model.vocabulary * s.hidden * s.width;
  const bool own_head = options.include_head || options.pipeline.rotation;
  const int64_t logits = (own_head ? 2 : 1) * head + bytes_of_logits(plan, s, rows);
  const int64_t of_text = Activations::bytes(rows, s.hidden, Format::F32), one = of_text > kRows ? 0 : of_text;
  const int64_t stream = Activations::bytes(std::min(rows, kSensitivityTokens), s.hidden, Format::F32);
  const int64_t streams = (4 * schemes * plan.model.layers + 2) * stream;  // four units a layer
  const int64_t all = program(threads) + 2 * one + (streams > kRows ? kRows : streams);
  const int64_t decoding = contract.max_latency ? plan.bytes_before : 0;  // the whole model, at worst as it was
  const int64_t layer = head + forward(s) + s.parameters * s.width;
  return {all + std::max({layer, logits, head + decoding, tokenizing(options), kTiming}), head + one};
}

int64_t predict_report(const Plan& plan, const CompressOptions& options, int threads) {
  constexpr int64_t kPage = int64_t{64} << 10;  // of a module, as JSON and as the page
  const Sizes s(plan.model, options.context, PerplexityOptions().batch * options.context);
  const int64_t page = 4 * noted(s) * plan.model.layers + kPage * std::ssize(plan.modules);
  return program(threads) + page + plan.bytes_before + plan.bytes_after + 2 * forward(s) +
         std::max(tokenizing(options), bytes_of_logits(plan, s, s.batch));
}

int64_t activations_within(const MemoryPrediction& prediction, int64_t budget) {
  if (prediction.in_memory <= budget) return std::numeric_limits<int64_t>::max();
  if (prediction.spilled <= budget) return 0;
  refuse_budget(budget, prediction.spilled);
}

void refuse_budget(int64_t budget, int64_t smallest) {
  throw UsageError(
      fmt::format("--ram: {} is too little for this model and algorithm; the smallest that can be kept is {}M",
                  human_bytes(static_cast<double>(budget)), smallest / 1'000'000 + 2));
}

double predict_seconds(const Plan& plan, const CompressOptions& options, int64_t rows, Threads& threads) {
  const Sizes s(plan.model, options.context, rows);
  const Pipeline& p = options.pipeline;
  const double narrow = seconds_of_product(s.width == 2 ? Format::BF16 : Format::F32, threads);
  const double wide = seconds_of_product(Format::F32, threads);
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const double layers = d(plan.model.layers);
  const double made = options.kv_cache_fp8 || options.include_head ? 1 : 1 - 1 / layers;
  const double passes = made + (p.follows_floats() ? 2 : 1);  // watched
  const double forward = passes * d(rows) * (2 * d(s.parameters) * narrow + d(bytes_of_row(s)) * kFreshByte);
  const double hessians = has_hessians(p) ? (1.25 * d(s.squares()) + 2.5 * d(drifts(s, p))) * d(rows) * narrow : 0;
  const double smoothing = p.smoothing && p.smoothing_strength < 0 ? 14 * d(s.parameters) * 2 * 256 * narrow : 0;
  return kBegin + layers * (forward + hessians + smoothing) +
         seconds_of_making(plan, options, s, wide, threads.count());
}

}  // namespace octet
