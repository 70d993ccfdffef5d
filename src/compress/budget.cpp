#include "compress/budget.h"

#include <bit>

#include "base/error.h"
#include "base/memory.h"
#include "base/units.h"
#include "compress/duration.h"
#include "compress/input_statistics.h"
#include "compress/layer_noise.h"
#include "compress/walk_sizes.h"
#include "eval/perplexity.h"
#include "quant/transform/smoothing.h"

namespace octet {
namespace {

constexpr int64_t kSlack = int64_t{3} << 20;           // what a heap holds between blocks, and threads yet to come
constexpr int64_t kThread = int64_t{512} << 10;        // a thread's own scratch memory
constexpr int64_t kPiece = int64_t{1} << 20;           // of a matrix that a thread takes while the model is written
constexpr int64_t kEnds = int64_t{16} << 20;           // of the embedding, as F32, that is rotated at once
constexpr int64_t kCodebookMemory = int64_t{7} << 20;  // while one is divided into clusters
constexpr int64_t kSensitivityTokens = 2048;
constexpr int64_t kTokenizer = 16;              // bytes of memory for a byte of tokenizer.json, while it is read
constexpr int64_t kText = 16;                   // for a byte of text: where words begin and end, and their tokens
constexpr int64_t kTokenCompared = 13;          // for a token: two losses, KL divergence, the same first choice
constexpr int64_t kTokenOrdered = 8;            // while those that changed most are looked for
constexpr int64_t kTokenKept = 8;               // itself, in a vector that has grown
constexpr int64_t kMargin = 250'000;            // of a budget: two runs never take the same to the byte
constexpr int64_t kLogits = int64_t{64} << 20;  // of a slice of logits
constexpr int64_t kDigest = 64;                 // of a row of logits, while those about it are scored
constexpr int64_t kRows = int64_t{64} << 20;    // of a measured text's rows that stand in memory

// Rows that are kept of the inputs of a layer.
int64_t samples(const WalkSizes& s) {
  int64_t numbers = 0;
  for (const InputGroup& g : groups_of(s)) numbers += std::min(sample_rows(g.k), s.rows) * g.k;
  return 4 * numbers;
}

// A layer while a batch goes through it: its weights, and what the forward holds.
int64_t forward(const WalkSizes& s) {
  return s.parameters * s.width + s.batch * bytes_of_row(s);
}

// Beside it what is kept of the inputs, and what makes their sums: rows transposed, prepared and weighted. `beside`:
// what is held while one batch goes through once more.
int64_t watching(const WalkSizes& s, const Pipeline& p, int64_t rows, int64_t beside) {
  const int64_t all = s.parameters * s.width + samples(s);
  const int64_t during = s.batch * (bytes_of_row(s) + 4 * (s.hidden + s.attention));
  if (!p.needs_hessians()) return all + during + beside + reused_bytes(s.batch, s.hidden, s.intermediate);
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
int64_t moving(const InputGroup& g, const WalkSizes& s) {
  const int64_t product = g.k == s.intermediate ? 0 : 8 * g.k * g.k;  // the drift transposed, and packed
  const int64_t solving = 4 * g.k * (4 * 512 + 2 * 128);
  return 4 * g.k * g.k + 4 * g.together + 4 * g.largest + std::max(product, solving);
}

// One matrix beside H: whole as F32, what its rounding holds, and its codes.
int64_t rounding(const InputGroup& g, const Pipeline& p) {
  constexpr int64_t kLearnedRows = 256, kLearned = 36;  // rows at once, bytes of state a number
  const int64_t whole = 4 * g.largest + g.largest;
  if (p.rounding == RoundingAlgorithm::nearest) return whole + 4 * g.largest;
  if (p.rounding == RoundingAlgorithm::learned) return 8 * g.k * g.k + whole + kLearnedRows * kLearned * g.k;
  return 4 * g.k * g.k + whole + 4 * g.largest + g.largest + 512 * g.largest / g.k + strips(g.k);
}

// Weights as F32, one of them twice while it is changed, or scaled, as stored, as codes and packed; the samples scaled,
// prepared and multiplied.
int64_t smoothing(const InputGroup& g, const WalkSizes& s) {
  const int64_t rows = 4 * std::min(trial_rows(g.k), s.rows);
  const int64_t weight = std::max<int64_t>(8, 4 + s.width + 1 + 1) * g.largest;
  return 4 * g.together + weight +
         std::max(rows * (4 * g.k + g.together / g.k + g.largest / g.k), 4 * std::min(sample_rows(g.k), s.rows) * g.k);
}

// What a report looks at: one matrix beside itself clipped or coded, both packed, and slices of their products.
int64_t noise(const InputGroup& g) {
  return 16 * g.largest + kNoiseRows * (4 * g.k + 8 * g.largest / g.k);
}

// Numbers that a report keeps of a layer.
int64_t noted(const WalkSizes& s) {
  constexpr int64_t kModules = 7, kGrid = 256;
  return kModules * (2 * kQuotients + kGrid) + 2 * s.hidden + s.attention + s.intermediate;
}

// Where a report is wanted: the first batch of both streams, and what was noted; while it is written as JSON, or inputs
// of both streams are held.
struct Watched {
  int64_t kept = 0, written = 0, inputs = 0;
};
Watched watched(const WalkSizes& s, const Plan& plan, const CompressOptions& options) {
  constexpr int64_t kJsonNumber = 80;
  if (!options.watch_noise) return {};
  return {8 * s.batch * s.hidden + 4 * noted(s) * plan.model.layers, kJsonNumber * noted(s),
          8 * s.batch * (2 * s.hidden + s.attention + s.intermediate) + 4 * s.batch * s.hidden};
}

// Of one input after the other; those that are done have codes, those to come their H.
int64_t making(const WalkSizes& s, const Pipeline& p, bool watch_noise) {
  int64_t left = p.needs_hessians() ? 4 * (s.squares() + drifts(s, p)) : 0, coded = samples(s);
  int64_t most = p.rotation ? s.parameters * s.width + 14 * s.hidden * s.widest : 0;  // the layer is rotated
  for (const InputGroup& g : groups_of(s)) {
    const int64_t numbers = p.rotation ? g.together * s.width : 0;  // of a rotated layer, until it is written
    const int64_t smooth = p.smoothing ? left + coded + smoothing(g, s) : 0;
    if (p.follows_floats()) {
      most = std::max(most, left + coded + numbers + moving(g, s));
      left -= 4 * drift(g, s);
    }
    const int64_t targets = p.follows_floats() ? 4 * (g.together - g.largest) : 0;
    const int64_t looking = watch_noise ? noise(g) + (p.follows_floats() ? 4 * g.largest : 0) : 0;
    most = std::max({most, left + coded + g.together + numbers + targets + std::max(rounding(g, p), looking), smooth});
    if (p.needs_hessians()) left -= 4 * g.k * g.k;
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
int64_t tokenizing(const CompressOptions& options, int64_t bytes_of_text) {
  std::error_code error;
  const auto size = std::filesystem::file_size(options.model / "tokenizer.json", error);
  return kText * bytes_of_text + (error ? 0 : kTokenizer * static_cast<int64_t>(size));
}

// Of two models that are compared, a slice at a time; and the rows that they are made of.
int64_t bytes_of_logits(const Plan& plan, const WalkSizes& s, int64_t rows) {
  const int64_t slice = std::min(rows, std::max<int64_t>(1, kLogits / 4 / plan.model.vocabulary));
  return slice * (8 * plan.model.vocabulary + 16 * s.hidden + 2 * kDigest);
}

}  // namespace

MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads) {
  const int64_t all = program(threads), written = writing(plan, options.pipeline.plain(), threads);
  if (rows == 0) return {all + written, all + written};
  const WalkSizes s(plan.model, options.context, rows);
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
  const int64_t least = std::max({tokenizing(options, 0), written, kBytesOfTiming, ends, noise.kept + noise.written});
  return {all + std::max(least, layer + held), all + std::max(least, layer)};
}

int64_t bytes_of_candidates(const Plan& plan, const MeasuredText& text) {
  constexpr int64_t kUnits = 4;  // of a layer
  return text.tokens * 12 * (2 + std::bit_width(static_cast<uint64_t>(kUnits * plan.model.layers)));
}

MeasuringPrediction predict_measuring(const Plan& plan, const CompressOptions& options, const MeasuredText& text,
                                      int threads, const Contract& contract, int64_t schemes) {
  const int64_t rows = text.tokens, few = std::min(rows, kSensitivityTokens);
  const WalkSizes s(plan.model, options.context, rows);
  const int64_t head = plan.model.vocabulary * s.hidden * s.width;
  const bool own_head = options.include_head || options.pipeline.rotation;
  const int64_t of_text = Activations::bytes(rows, s.hidden, Format::F32), one = of_text > kRows ? 0 : of_text;
  const int64_t kept = head + one + rows * (4 + kTokenKept);  // the float model's rows; tokens, copied and in sequences
  const int64_t layer = forward(s) + s.parameters * s.width;
  const int64_t stream = Activations::bytes(few, s.hidden, Format::F32);
  const int64_t streams = std::min((4 * schemes * plan.model.layers + 2) * stream, kRows);  // four units a layer
  const int64_t sensitivities = streams + std::max(layer, (own_head ? head : 0) + bytes_of_logits(plan, s, few));
  const int64_t compared = (own_head ? head : 0) + bytes_of_logits(plan, s, rows) + rows * kTokenCompared;
  const int64_t decoding = contract.max_latency ? plan.bytes_before : 0;  // the whole model, at worst as it was
  const int64_t candidates = bytes_of_candidates(plan, text);
  const int64_t candidate = candidates + std::max({one + layer, one + compared, decoding});
  const int64_t before = std::max(tokenizing(options, text.bytes), kBytesOfTiming);
  return {program(threads) + std::max(before, kept + std::max(sensitivities, candidate)), kept + candidates};
}

int64_t predict_report(const Plan& plan, const CompressOptions& options, const MeasuredText& text, int threads,
                       int64_t kept) {
  constexpr int64_t kPage = int64_t{64} << 10;  // of a module, as JSON and as the page
  const WalkSizes s(plan.model, options.context, PerplexityOptions().batch * options.context);
  const int64_t notes = options.pipeline.plain() ? 0 : 4 * noted(s) * plan.model.layers;
  const int64_t page = kPage * std::ssize(plan.modules);
  const int64_t heads =
      plan.model.tied ? 2 * plan.model.vocabulary * s.hidden * s.width : 0;  // packed, beside the embedding
  const int64_t compared = text.tokens * (kTokenKept + kTokenCompared);
  const int64_t caches = 2 * s.batch * 2 * s.width * s.cache * plan.model.layers;
  const int64_t measuring = compared + caches + std::max(s.batch * bytes_of_row(s), bytes_of_logits(plan, s, s.batch));
  return program(threads) + kept + notes + heads + plan.bytes_before + plan.bytes_after +
         std::max({tokenizing(options, text.bytes), measuring, compared + text.tokens * kTokenOrdered + page});
}

int64_t activations_within(const MemoryPrediction& prediction, int64_t budget) {
  if (prediction.in_memory <= budget) return std::numeric_limits<int64_t>::max();
  if (prediction.spilled <= budget) return 0;
  refuse_budget(budget, prediction.spilled);
}

void refuse_budget(int64_t budget, int64_t smallest) {
  throw UsageError(
      fmt::format("--ram: {} is too little for this model and algorithm; the smallest that can be kept is {}M",
                  human_bytes(static_cast<double>(budget)), (smallest + kMargin + 999'999) / 1'000'000));
}

}  // namespace octet
