#include "compress/layer_maker.h"

#include "base/error.h"
#include "compress/modules.h"
#include "kernels/convert/convert.h"
#include "models/architectures.h"
#include "quant/codebook.h"
#include "quant/correction/bias.h"
#include "quant/quantize.h"
#include "quant/rounding/descent.h"
#include "quant/rounding/learned.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

using Names = std::span<const std::string_view>;

// Modules of one input, in the order of the forward.
constexpr Names kAttentionIn{kLayerLinears, 3}, kAttentionOut{kLayerLinears + 3, 1}, kMlpIn{kLayerLinears + 4, 2},
    kMlpOut{kLayerLinears + 6, 1};
constexpr int kStrengths = 10;
constexpr int kSweeps = 4;  // of the descent after GPTQ: few numbers move after that

}  // namespace

std::vector<std::string> LayerMaker::leaders(int64_t layer) {
  std::vector<std::string> leaders;
  for (const Names names : {kAttentionIn, kAttentionOut, kMlpIn, kMlpOut})
    leaders.push_back(layer_module(layer, names[0]));
  return leaders;
}

LayerMaker::LayerMaker(LayerSource& source, StatisticsKeeper& keeper, const Plan& plan, const CompressOptions& options,
                       Threads& threads)
    : source_(source),
      plan_(plan),
      pipeline_(options.pipeline),
      options_(options.quantize),
      threads_(threads),
      watch_noise_(options.watch_noise) {
  for (const std::string& leader : leaders(source.layer())) statistics_[leader] = keeper.take(leader);
}

MadeLayer LayerMaker::make() {
  const SmoothingPlaces places = pipeline_.smoothing ? pipeline_.smooth : SmoothingPlaces{false, false, false, false};
  if (places.attention) smooth_behind_norm("input_layernorm", kAttentionIn);
  if (places.values) smooth_between(kAttentionIn[2], kAttentionOut[0]);
  if (places.mlp) smooth_behind_norm("post_attention_layernorm", kMlpIn);
  if (places.up) smooth_between(kMlpIn[1], kMlpOut[0]);
  for (const Names names : {kAttentionIn, kAttentionOut, kMlpIn, kMlpOut}) make_group(names);
  for (const std::string_view norm : {"input_layernorm", "post_attention_layernorm"}) {
    made_.tensors.emplace_back(source_.module(norm) + ".weight", source_.norm(norm));
  }
  return std::move(made_);
}

InputStatistics& LayerMaker::statistics_of(std::string_view name) {
  return statistics_.find(fused_name(source_.module(name)))->second;
}

bool LayerMaker::quantizes(Names names) const {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    const ModulePlan* plan = source_.plan_of(name);
    return plan && plan->to;
  });
}

void LayerMaker::smooth_behind_norm(std::string_view norm, Names behind) {
  if (!quantizes(behind)) return;
  std::vector<float> factors = search(behind, {});
  if (factors.empty()) return;
  factors = source_.fold_into_norm(norm, behind, std::move(factors));
  statistics_of(behind[0]).divide(factors, threads_);
}

// Where heads share keys and values, the channels of the next matrix that come from one row share its factor.
void LayerMaker::smooth_between(std::string_view from, std::string_view to) {
  const Names behind(&to, 1);
  if (!quantizes(behind)) return;
  const DecoderConfig& c = plan_.model;
  const bool attention = to == kAttentionOut[0];
  std::vector<int32_t> share;
  for (int64_t j = 0; attention && j < c.heads * c.head_dim; ++j) {
    const int64_t head = j / c.head_dim / (c.heads / c.kv_heads);
    share.push_back(static_cast<int32_t>(head * c.head_dim + j % c.head_dim));
  }
  const std::vector<float> columns = search(behind, share);
  if (columns.empty()) return;
  std::vector<float> rows = columns;
  if (attention) {
    rows.resize(static_cast<size_t>(c.kv_heads * c.head_dim));
    for (size_t j = 0; j < share.size(); ++j) rows[static_cast<size_t>(share[j])] = columns[j];
  }
  source_.fold_into_rows(from, rows, to, columns);
  statistics_of(to).divide(columns, threads_);
}

// GPTQ rounds a column's own part, and moves what others can make up for into them.
std::vector<float> LayerMaker::costs_of(const InputStatistics& inputs) const {
  if (pipeline_.rounding != RoundingAlgorithm::gptq || !inputs.hessian) return {};
  const GptqFactor factor(*inputs.hessian, pipeline_.gptq, threads_);
  if (!factor.factored()) return {};
  std::vector<float> costs(factor.costs().size());
  for (size_t i = 0; i < costs.size(); ++i) {
    costs[static_cast<size_t>(factor.order()[i])] = factor.costs()[i] / static_cast<float>(inputs.hessian->rows());
  }
  return costs;
}

std::vector<float> LayerMaker::search(Names behind, std::vector<int32_t> share) {
  const InputStatistics& inputs = statistics_of(behind[0]);
  SmoothingStatistics statistics{inputs.magnitudes(), inputs.mean_magnitude, {}, {}};
  std::vector<Tensor> weights;
  const ModulePlan* quantized = nullptr;
  for (const std::string_view name : behind) {
    const ModulePlan* plan = source_.plan_of(name);
    if (!plan || !plan->to) continue;
    quantized = plan;
    weights.push_back(source_.weight(name));
    add_weight_statistics(weights.back(), statistics, threads_);
  }
  SmoothingTarget target{*quantized->to->weights, quantized->to->activations, options_,
                         quantized->dtype,        std::move(share),           {}};
  if (pipeline_.smoothing_strength >= 0) {
    return fixed_smoothing(*pipeline_.smoothing, statistics, target, pipeline_.smoothing_strength);
  }
  if (target.is_static() && inputs.rows < kFewestStaticRows) return {};
  if (target.refines()) target.costs = costs_of(inputs);
  const SmoothingSamples samples{inputs.samples, inputs.sample_weights, inputs.early_samples, inputs.early_min,
                                 inputs.early_max};
  SmoothingResult result =
      search_smoothing(*pipeline_.smoothing, statistics, samples, weights, target, kStrengths, threads_);
  notes_.push_back(
      {source_.module(behind[0]), result.factors.empty() ? -1 : result.strength, result.error, result.error_before});
  return std::move(result.factors);
}

Tensor LayerMaker::ranges_of(const Tensor& w, const ModulePlan& plan, const InputStatistics& statistics) const {
  RangeOptions options{.quantize = options_, .dtype = plan.dtype};
  std::vector<float> squares;
  if (statistics.hessian) squares = statistics.hessian->mean_squares();
  options.importance = squares;
  return observe_ranges(w, *plan.to->weights, *pipeline_.weights, options, threads_);
}

// One scale for fused modules where a scale is per tensor.
std::vector<Tensor> LayerMaker::ranges_of_group(Names names) {
  std::vector<Tensor> ranges;
  for (const std::string_view name : names) {
    const ModulePlan* plan = source_.plan_of(name);
    const bool quantized = plan && plan->to;
    ranges.push_back(quantized ? ranges_of(source_.weight(name), *plan, statistics_of(name)) : Tensor());
  }
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < names.size(); ++j) {
      if (ranges[i].empty() || ranges[j].empty()) continue;
      const int set = source_.plan_of(names[i])->range_set;
      if (set < 0 || set != source_.plan_of(names[j])->range_set) continue;
      ranges[i].f32()[0] = std::max(ranges[i].f32()[0], ranges[j].f32()[0]);
    }
  }
  return ranges;
}

// All are rounded before the factor is let go, and improved after it: two K x K matrices at a time.
void LayerMaker::make_group(Names names) {
  InputStatistics& statistics = statistics_of(names[0]);
  const std::vector<Tensor> ranges = quantizes(names) ? ranges_of_group(names) : std::vector<Tensor>(names.size());
  std::optional<GptqFactor> factor;
  if (pipeline_.rounding == RoundingAlgorithm::gptq && quantizes(names)) {
    factor.emplace(*statistics.hessian, pipeline_.gptq, threads_);
  }
  const bool improves = factor && factor->factored();
  std::vector<Tensor> targets(names.size());  // empty: the matrix itself
  if (improves && statistics.drift) targets = targets_of(names, *factor);
  statistics.drift.reset();
  std::vector<QTensor> rounded(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    if (ranges[i].empty()) continue;
    const Tensor w = targets[i].empty() ? source_.weight(names[i]) : targets[i];
    rounded[i] = round_module(names[i], w, ranges[i], factor ? &*factor : nullptr);
  }
  if (improves) prepare_descent(statistics.hessian->sums(), factor->damping(), threads_);
  factor.reset();
  for (size_t i = 0; i < names.size(); ++i) {
    const Tensor bias = source_.bias(names[i]);
    if (!bias.empty()) made_.tensors.emplace_back(source_.module(names[i]) + ".bias", bias);
    if (!ranges[i].empty()) {
      finish_module(names[i], std::move(rounded[i]), improves, targets[i]);
      targets[i] = Tensor();
    } else if (source_.changed(names[i])) {
      made_.tensors.emplace_back(source_.module(names[i]) + ".weight",
                                 from_f32(source_.weight(names[i]), source_.dtype(names[i])));
    }
    source_.drop(names[i]);
  }
  statistics.hessian.reset();
}

// Matrices that make up for what the layers below have lost.
std::vector<Tensor> LayerMaker::targets_of(Names names, const GptqFactor& factor) {
  const Drift& drift = *statistics_of(names[0]).drift;
  const double share = drift.share(factor, threads_);
  std::vector<Tensor> targets(names.size());
  for (size_t i = 0; share > 0 && i < names.size(); ++i) {
    const ModulePlan* plan = source_.plan_of(names[i]);
    if (plan && plan->to) targets[i] = drift.target(source_.weight(names[i]), factor, share, threads_);
  }
  return targets;
}

QTensor LayerMaker::round_module(std::string_view name, const Tensor& w, const Tensor& ranges,
                                 const GptqFactor* factor) {
  const ModulePlan& plan = *source_.plan_of(name);
  const Quantization& weights = *plan.to->weights;
  QuantizeOptions options = options_;
  options.tensor = static_cast<uint32_t>(&plan - plan_.modules.data());
  QTensor q{weights, plan.to->activations};
  q.scales = scales_of(ranges, weights, plan.dtype, options, source_.module(name));
  q.codes = Tensor(w.shape(), code_dtype(weights.format));
  if (weights.format == Format::CODEBOOK) {
    const InputStatistics& statistics = statistics_of(name);
    const std::vector<float> squares = statistics.hessian ? statistics.hessian->mean_squares() : std::vector<float>();
    q.table = learn_codebook(w, weights, q.scales, squares, threads_);
    options.table = q.table.f32();
  }
  if (factor) {
    round_by_gptq_with_search(w, weights, ranges, plan.dtype, options, *factor, threads_, q.scales, q.codes.raw());
  } else if (pipeline_.rounding == RoundingAlgorithm::learned) {
    const Hessian& hessian = *statistics_of(name).hessian;
    round_by_learning(w, weights, q.scales, options, hessian, {}, threads_, q.codes.raw());
  } else {
    round_rows_to_nearest(w, weights, q.scales, options, threads_, q.codes.raw());
  }
  return q;
}

void LayerMaker::finish_module(std::string_view name, QTensor q, bool improves, const Tensor& target) {
  const ModulePlan& plan = *source_.plan_of(name);
  const InputStatistics& statistics = statistics_of(name);
  const bool looks = (improves && target.empty()) || pipeline_.bias_correction || watch_noise_;
  const Tensor w = looks ? source_.weight(name) : Tensor();
  if (improves) {
    QuantizeOptions options = options_;
    options.table = q.table.empty() ? nullptr : q.table.f32();
    descend(target.empty() ? w : target, q.weights, q.scales, options, statistics.hessian->sums(), kSweeps, threads_,
            q.codes.raw());
  }
  set_input_scale(q, plan, statistics);
  if (pipeline_.bias_correction) correct(name, w, q);
  if (watch_noise_) {
    noise_.push_back(noise_of(plan.name, w, q, statistics.samples, threads_));
    if (fused_name(plan.name) == plan.name) noise_.back().channels = statistics.magnitudes();
  }
  made_.modules.emplace_back(plan.name, std::move(q));
}

void LayerMaker::correct(std::string_view name, const Tensor& w, const QTensor& q) {
  if (made_.tensors.empty() || made_.tensors.back().first != source_.module(name) + ".bias") return;
  correct_bias(made_.tensors.back().second, w, q, statistics_of(name).mean, threads_);
}

// The exact ends of every channel where nothing is clipped; other observers look at the rows that were kept.
void LayerMaker::set_input_scale(QTensor& q, const ModulePlan& plan, const InputStatistics& statistics) const {
  if (!q.activations || q.activations->dynamic) return;
  SeenRange range;
  for (size_t j = 0; j < statistics.min.size(); ++j) {
    range.min = std::min(range.min, statistics.min[j]);
    range.max = std::max(range.max, statistics.max[j]);
  }
  if (pipeline_.inputs != &range_observers()[0]) {
    InputStream stream;
    stream.add(statistics.samples.f32(), statistics.samples.elements(), threads_);
    range = pipeline_.inputs->of_stream(stream, *q.activations, {.quantize = options_});
  }
  const StaticScale scale = static_scale(range.min, range.max, *q.activations, plan.scales);
  q.input_scale = scale.scale;
  q.input_zero_point = scale.zero_point;
}

}  // namespace octet
