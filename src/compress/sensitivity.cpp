#include "compress/sensitivity.h"

#include <algorithm>

#include "base/error.h"
#include "compress/matrix_source.h"
#include "compress/modules.h"
#include "eval/perplexity.h"
#include "kernels/convert/convert.h"
#include "models/architectures.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kTokens = 2048;
constexpr int64_t kHeld = int64_t{64} << 20;   // bytes of streams that stand in memory
constexpr int64_t kAtOnce = int64_t{4} << 30;  // bytes of streams that go up together

bool fits(const Quantization& q, int64_t n, int64_t k) {
  return (q.group == 0 || k % q.group == 0) && (q.block_rows == 0 || n % q.block_rows == 0);
}

// The ends of what comes into each linear module.
class InputRanges : public Observer {
 public:
  void linear_input(std::string_view module, const Tensor& x) override {
    const kernels::MinMax ends = kernels::min_max(x.f32(), x.elements());
    if (!ends.finite)
      fail("{}: its input becomes infinite or NaN on the validation text; the model is damaged", module);
    SeenRange& range = ranges[std::string(module)];
    range = {std::min(range.min, ends.min), std::max(range.max, ends.max)};
  }
  void keys_and_values(std::string_view, const Tensor&, const Tensor&) override {}
  std::map<std::string, SeenRange> ranges;
};

class Measurement {
 public:
  Measurement(Context& ctx, const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
              std::span<const Scheme* const> schemes, const Reference& reference, const std::filesystem::path& place,
              const std::function<void(const std::string&)>& tell)
      : ctx_(ctx),
        checkpoint_(checkpoint),
        plan_(plan),
        options_(options),
        schemes_(schemes),
        reference_(reference),
        place_(place),
        tell_(tell),
        loader_(checkpoint, ctx.threads),
        tokens_(reference.tokens.begin(),
                reference.tokens.begin() + std::min<int64_t>(kTokens, std::ssize(reference.tokens))),
        sequences_(sequences_of(plan.model, options.model, options.context, tokens_)) {}

  std::vector<Sensitivity> run() {
    list_units();
    const int64_t layers = plan_.model.layers;
    const int64_t bytes = Activations::bytes(sequences_.rows(), plan_.model.hidden, Format::F32);
    const int64_t per_layer = std::max<int64_t>(1, std::ssize(units_) * std::ssize(schemes_) / layers) * bytes;
    const int64_t together = std::clamp<int64_t>(kAtOnce / per_layer, 1, layers);
    spills_ = (together * per_layer + 2 * bytes) > kHeld;
    std::unique_ptr<Activations> base = stream("float");
    embed(checkpoint_, loader_, sequences_, *base);
    for (int64_t bottom = 0; bottom < layers; bottom += together) {
      base = go_up(std::move(base), bottom, std::min(layers, bottom + together));
    }
    measure_head();
    return std::move(units_);
  }

 private:
  struct Stream {
    size_t unit;
    const Scheme* scheme;
    std::unique_ptr<Activations> rows;
  };

  void list_units() {
    std::map<std::string, size_t> at;
    for (const ModulePlan& module : plan_.modules) {
      const auto [found, is_new] = at.emplace(fused_name(module.name), units_.size());
      if (is_new) {
        units_.emplace_back();
        plans_.emplace_back();
      }
      units_[found->second].modules.push_back(module.name);
      units_[found->second].bytes_saved += module.n * module.k * (bytes_of(module.dtype) - 1);
      plans_[found->second].push_back(&module);
    }
    for (const auto& modules : plans_) allowed_.push_back(schemes_for(modules));
  }

  // Shapes decide, unless one scheme alone is asked for: other programs refuse blocks that end early.
  std::vector<const Scheme*> schemes_for(const std::vector<const ModulePlan*>& modules) const {
    std::vector<const Scheme*> allowed;
    for (const Scheme* scheme : schemes_) {
      const bool all = std::all_of(modules.begin(), modules.end(), [&](const ModulePlan* module) {
        return fits(*scheme->weights, module->n, module->k);
      });
      if (all || schemes_.size() == 1) allowed.push_back(scheme);
    }
    return allowed;
  }

  std::unique_ptr<Activations> stream(const std::string& name) const {
    return std::make_unique<Activations>(sequences_.rows(), plan_.model.hidden,
                                         spills_ ? place_ / name : std::filesystem::path(), Format::F32);
  }

  // Disturbs each unit of layers bottom … top-1 and takes all to the end. Returns the float stream below layer `top`.
  std::unique_ptr<Activations> go_up(std::unique_ptr<Activations> base, int64_t bottom, int64_t top) {
    std::vector<Stream> streams;
    for (int64_t i = bottom; i < plan_.model.layers; ++i) {
      DecoderLayer layer = loader_.layer(i);
      layer.attention.layer = 0;
      for (Stream& s : streams) advance(ctx_, plan_.model, layer, sequences_, *s.rows, *s.rows);
      if (i >= top) continue;
      auto above = stream(fmt::format("float-{}", i));
      InputRanges inputs;
      ctx_.observer = &inputs;
      advance(ctx_, plan_.model, layer, sequences_, *base, *above);
      ctx_.observer = nullptr;
      disturb(i, layer, *base, inputs.ranges, streams);
      base = std::move(above);
    }
    for (const Stream& s : streams) {
      const auto rows = [&](int64_t begin, int64_t count) { return s.rows->read(begin, count, ctx_.threads); };
      keep_better(s.unit, *s.scheme, compare(ctx_, {reference_.end, rows}, expected(), tokens_).mean_kl);
    }
    return base;
  }

  HiddenText expected() const {
    return {reference_.end,
            [this](int64_t begin, int64_t count) { return reference_.hidden.read(begin, count, ctx_.threads); }};
  }

  void disturb(int64_t i, const DecoderLayer& layer, const Activations& base,
               const std::map<std::string, SeenRange>& inputs, std::vector<Stream>& streams) {
    const std::string prefix = layer_module(i, "");
    for (size_t unit = 0; unit < units_.size(); ++unit) {
      if (!units_[unit].modules[0].starts_with(prefix)) continue;
      for (const Scheme* scheme : allowed_[unit]) {
        DecoderLayer coded = layer;
        for (const ModulePlan* module : plans_[unit]) {
          Weight& weight = linear_of(coded, std::string_view(module->name).substr(prefix.size()));
          const auto seen = inputs.find(fused_name(module->name));
          weight = coded_weight(*module, *scheme, weight.bias(), seen == inputs.end() ? SeenRange() : seen->second);
        }
        Stream s{unit, scheme, stream(fmt::format("unit-{}-{}", unit, scheme->name))};
        advance(ctx_, plan_.model, coded, sequences_, base, *s.rows);
        streams.push_back(std::move(s));
      }
    }
  }

  Weight coded_weight(const ModulePlan& module, const Scheme& scheme, const Tensor& bias, const SeenRange& input) {
    MatrixSource source(checkpoint_, module);
    const Quantization& wanted = *scheme.weights;
    const bool whole = scheme.storage != Storage::pack_quantized || fits(wanted, module.n, module.k);
    QTensor q = quantize(source.rows(0, module.n, module.dtype), whole ? wanted : per_channel(wanted.format),
                         options_.quantize, ctx_.threads, module.name);
    source.drop();
    q.activations = scheme.activations;
    if (q.activations && !q.activations->dynamic) {
      const StaticScale scale = static_scale(input.min, input.max, *q.activations, module.dtype);
      q.input_scale = scale.scale;
      q.input_zero_point = scale.zero_point;
    }
    return Weight(module.name, q, bias, plan_.model.dtype, ctx_.threads);
  }

  void measure_head() {
    for (size_t unit = 0; unit < units_.size(); ++unit) {
      if (units_[unit].modules[0] != kHead) continue;
      InputRanges inputs;
      ctx_.observer = &inputs;
      const Tensor rows = reference_.hidden.read(0, std::min<int64_t>(kBatchTokens, std::ssize(tokens_)), ctx_.threads);
      reference_.end.logits(ctx_, rows);
      ctx_.observer = nullptr;
      for (const Scheme* scheme : allowed_[unit]) {
        Decoder end = reference_.end;
        end.head = coded_weight(*plans_[unit][0], *scheme, Tensor(), inputs.ranges[std::string(kHead)]);
        const HiddenText text = expected();
        keep_better(unit, *scheme, compare(ctx_, {end, text.rows}, text, tokens_).mean_kl);
      }
    }
  }

  void keep_better(size_t unit, const Scheme& scheme, double kl) {
    Sensitivity& s = units_[unit];
    if (!s.scheme || kl < s.kl) {
      s.scheme = &scheme;
      s.kl = kl;
    }
    if (&scheme != allowed_[unit].back()) return;
    tell_(fmt::format("sensitivity of {}: KL divergence {:.2e} as {} ({} of {})", s.modules[0], s.kl, s.scheme->name,
                      ++told_, units_.size()));
  }

  Context& ctx_;
  const Checkpoint& checkpoint_;
  const Plan& plan_;
  const CompressOptions& options_;
  std::span<const Scheme* const> schemes_;
  const Reference& reference_;
  const std::filesystem::path& place_;
  const std::function<void(const std::string&)>& tell_;
  DecoderLoader loader_;
  std::vector<int32_t> tokens_;
  Sequences sequences_;
  bool spills_ = false;
  std::vector<Sensitivity> units_;
  std::vector<std::vector<const ModulePlan*>> plans_;  // of the units
  std::vector<std::vector<const Scheme*>> allowed_;    // of the units
  size_t told_ = 0;
};

}  // namespace

std::vector<Sensitivity> measure_sensitivities(Context& ctx, const Checkpoint& checkpoint, const Plan& plan,
                                               const CompressOptions& options, std::span<const Scheme* const> schemes,
                                               const Reference& reference, const std::filesystem::path& place,
                                               const std::function<void(const std::string&)>& tell) {
  return Measurement(ctx, checkpoint, plan, options, schemes, reference, place, tell).run();
}

}  // namespace octet
