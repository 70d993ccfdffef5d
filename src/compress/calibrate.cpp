#include "compress/calibrate.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/progress.h"
#include "compress/modules.h"
#include "kernels/convert/convert.h"
#include "models/load.h"
#include "models/rope.h"
#include "ops/elementwise.h"
#include "text/tokenizer.h"

namespace octet {
namespace {

constexpr int64_t kBatchTokens = 512;   // that go through a layer at once
constexpr int64_t kBytesOfAToken = 32;  // more of a text is not read than the tokens wanted can have
constexpr int64_t kGrain = int64_t{1} << 16;

void widen(SeenRange& range, const SeenRange& by) {
  range.min = std::min(range.min, by.min);
  range.max = std::max(range.max, by.max);
}

// Keeps the ranges of all that passes.
class RangeKeeper : public Observer {
 public:
  RangeKeeper(CalibrationRanges& ranges, Threads& threads) : ranges_(ranges), threads_(threads) {}

  void begin_layer(size_t layer) { layer_ = layer; }

  void linear_input(std::string_view module, const Tensor& x) override {
    auto found = ranges_.inputs.find(module);
    if (found == ranges_.inputs.end()) found = ranges_.inputs.emplace(std::string(module), SeenRange()).first;
    widen(found->second, range_of(x, module));
  }

  void keys_and_values(std::string_view attention, const Tensor& k, const Tensor& v) override {
    widen(ranges_.keys[layer_], range_of(k, attention));
    widen(ranges_.values[layer_], range_of(v, attention));
  }

 private:
  SeenRange range_of(const Tensor& x, std::string_view module) {
    SeenRange range;
    bool finite = true;
    std::mutex mutex;
    threads_.for_range(x.elements(), kGrain, [&](int64_t begin, int64_t end) {
      const kernels::MinMax piece = kernels::min_max(x.f32() + begin, end - begin);
      std::lock_guard lock(mutex);
      finite &= piece.finite;
      widen(range, {piece.min, piece.max});
    });
    if (!finite) fail("{}: its input becomes infinite or NaN on the calibration text; the model is damaged", module);
    return range;
  }

  CalibrationRanges& ranges_;
  Threads& threads_;
  size_t layer_ = 0;
};

// Sequences laid end to end: sequence i stands at rows begins[i] … begins[i+1]-1.
struct Sequences {
  std::vector<int32_t> tokens;
  std::vector<int64_t> begins;
  int64_t count() const { return static_cast<int64_t>(begins.size()) - 1; }
};

int32_t first_token(const DecoderConfig& config, const std::string& directory) {
  if (config.bos >= 0) return config.bos;
  if (!config.eos.empty()) return config.eos[0];
  fail("{}: config.json names neither bos_token_id nor eos_token_id, so there is no token to begin a text with",
       directory);
}

// The beginning of a text, without half a character at its end.
std::string_view beginning_of(std::string_view text, int64_t bytes) {
  if (static_cast<int64_t>(text.size()) <= bytes) return text;
  auto size = static_cast<size_t>(bytes);
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

Sequences sequences_of(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                       std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::load(checkpoint.directory());
  std::vector<int32_t> tokens = tokenizer.encode(beginning_of(text, options.calibration_tokens * kBytesOfAToken));
  if (tokens.empty())
    fail("{}: there is no text in it to watch the model on", printable(options.calibration->string()));
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(options.calibration_tokens)));

  const int32_t first = first_token(plan.model, checkpoint.directory().string());
  const auto length = static_cast<size_t>(options.context - 1);
  Sequences sequences;
  for (size_t begin = 0; begin < tokens.size(); begin += length) {
    const size_t count = std::min(length, tokens.size() - begin);
    sequences.begins.push_back(static_cast<int64_t>(sequences.tokens.size()));
    sequences.tokens.push_back(first);
    sequences.tokens.insert(sequences.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                            tokens.begin() + static_cast<std::ptrdiff_t>(begin + count - 1));
  }
  sequences.begins.push_back(static_cast<int64_t>(sequences.tokens.size()));
  return sequences;
}

// Sequences [first, last) of about kBatchTokens tokens through one layer, in place.
void run_batch(Context& ctx, const DecoderConfig& config, const DecoderLayer& layer, const Sequences& sequences,
               int64_t first, int64_t last, Tensor& x) {
  std::vector<KvCache> caches;
  std::vector<RopeTable> ropes;
  std::vector<Segment> segments;
  caches.reserve(static_cast<size_t>(last - first));
  ropes.reserve(static_cast<size_t>(last - first));
  const int64_t row = sequences.begins[static_cast<size_t>(first)];
  for (int64_t i = first; i < last; ++i) {
    const int64_t begin = sequences.begins[static_cast<size_t>(i)];
    const int64_t count = sequences.begins[static_cast<size_t>(i) + 1] - begin;
    caches.emplace_back(config, config.dtype == DType::BF16 ? Format::BF16 : Format::F32, count);
    ropes.emplace_back(make_rope(config.rope, config.head_dim, config.max_positions, count), 0, count);
    segments.push_back({begin - row, count, 0, &caches.back(), &ropes.back()});
  }
  const int64_t rows = sequences.begins[static_cast<size_t>(last)] - row;
  Tensor part = x.rows(row, rows);
  const Tensor result = layer.forward(ctx, part, segments);
  if (result.raw() != part.raw()) std::memcpy(part.raw(), result.raw(), static_cast<size_t>(part.bytes()));
}

}  // namespace

CalibrationRanges calibrate(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                            std::string_view text, Threads& threads) {
  const Sequences sequences = sequences_of(checkpoint, plan, options, text);
  const DecoderLoader loader(checkpoint, threads);
  DecoderConfig one_layer = loader.config();  // what a cache of the layer at work needs
  one_layer.layers = 1;

  CalibrationRanges ranges;
  ranges.keys.resize(static_cast<size_t>(plan.model.layers));
  ranges.values.resize(static_cast<size_t>(plan.model.layers));
  RangeKeeper keeper(ranges, threads);
  Context ctx(threads);
  ctx.observer = &keeper;
  Progress progress("watching ranges", sequences.tokens.size() * ranges.keys.size(), "tokens a layer");
  Tensor x = embedding_rows(loader.embedding(), sequences.tokens);
  checkpoint.drop(kEmbedding);
  for (int64_t i = 0; i < plan.model.layers; ++i) {
    DecoderLayer layer = loader.layer(i);
    layer.attention.layer = 0;
    keeper.begin_layer(static_cast<size_t>(i));
    for (int64_t first = 0; first < sequences.count();) {
      int64_t last = first + 1;
      const auto rows_until = [&](int64_t end) {
        return sequences.begins[static_cast<size_t>(end)] - sequences.begins[static_cast<size_t>(first)];
      };
      while (last < sequences.count() && rows_until(last + 1) <= kBatchTokens) ++last;
      run_batch(ctx, one_layer, layer, sequences, first, last, x);
      progress.advance(static_cast<uint64_t>(rows_until(last)));
      first = last;
    }
  }
  if (options.include_head) keeper.linear_input(kHead, rms_norm(ctx, x, loader.final_norm()));
  return ranges;
}

}  // namespace octet
