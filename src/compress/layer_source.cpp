#include "compress/layer_source.h"

#include <cmath>

#include "base/error.h"
#include "base/escape.h"
#include "compress/matrix_source.h"
#include "models/architectures.h"

namespace octet {
namespace {

constexpr std::string_view kInputNorm = "input_layernorm", kMlpNorm = "post_attention_layernorm";

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whose input is the residual stream behind a norm.
bool reads_residual(std::string_view name) {
  return !is_one_of(name, {"self_attn.o_proj", "mlp.down_proj"});
}

void multiply(std::vector<float>& factors, const std::vector<float>& by) {
  factors.resize(by.size(), 1.0f);
  for (size_t i = 0; i < by.size(); ++i) factors[i] *= by[i];
}

}  // namespace

LayerSource::LayerSource(const Checkpoint& checkpoint, const Plan& plan, int64_t layer, const Rotations* rotations,
                         Threads& threads)
    : checkpoint_(checkpoint), plan_(plan), layer_(layer), rotations_(rotations), threads_(threads) {
  for (const std::string_view name : {kInputNorm, kMlpNorm}) {
    norms_[std::string(name)] = to_f32(checkpoint.tensor(module(name) + ".weight"));
  }
  if (!rotations) return;
  fold_norms();
  equalize_values();
}

void LayerSource::fold_norms() {
  for (auto& [name, norm] : norms_) {
    for (const std::string_view linear : kLayerLinears) {
      const bool attention = linear.starts_with("self_attn.");
      if (!reads_residual(linear) || attention != (name == kInputNorm)) continue;
      folded_[std::string(linear)].columns.assign(norm.f32(), norm.f32() + norm.size(0));
    }
    Tensor ones({norm.size(0)});
    std::fill_n(ones.f32(), norm.size(0), 1.0f);
    norm = ones;
  }
}

// Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721) by the norms of rows and columns.
void LayerSource::equalize_values() {
  const DecoderConfig& c = plan_.model;
  const std::string_view from = "self_attn.v_proj", to = "self_attn.o_proj";
  const int64_t rows = c.kv_heads * c.head_dim, columns = c.heads * c.head_dim;
  Tensor v({rows, c.hidden});
  std::memcpy(v.raw(), stored(from).raw(), static_cast<size_t>(v.bytes()));
  apply(folded_[std::string(from)], v);
  const Tensor o = stored(to);
  std::vector<double> of_rows(static_cast<size_t>(rows)), of_columns(static_cast<size_t>(rows));
  const auto source = [&](int64_t column) {
    return static_cast<size_t>(column / c.head_dim / (c.heads / c.kv_heads) * c.head_dim + column % c.head_dim);
  };
  for (int64_t i = 0; i < v.elements(); ++i) {
    of_rows[static_cast<size_t>(i / c.hidden)] += static_cast<double>(v.f32()[i]) * v.f32()[i];
  }
  for (int64_t i = 0; i < o.elements(); ++i)
    of_columns[source(i % columns)] += static_cast<double>(o.f32()[i]) * o.f32()[i];
  std::vector<float> factors(static_cast<size_t>(rows), 1.0f), spread(static_cast<size_t>(columns));
  for (size_t i = 0; i < factors.size(); ++i) {
    const double ratio = of_columns[i] > 0 ? of_rows[i] / of_columns[i] : 0;
    if (ratio > 0 && std::isfinite(ratio)) factors[i] = static_cast<float>(std::pow(ratio, 0.25));
  }
  for (int64_t j = 0; j < columns; ++j) spread[static_cast<size_t>(j)] = factors[source(j)];
  folded_[std::string(from)].rows = std::move(factors);
  folded_[std::string(to)].columns = std::move(spread);
}

std::string LayerSource::module(std::string_view name) const {
  return layer_module(layer_, name);
}

const ModulePlan* LayerSource::plan_of(std::string_view name) const {
  const std::string full = module(name);
  for (const ModulePlan& plan : plan_.modules) {
    if (plan.name == full) return &plan;
  }
  return nullptr;
}

DType LayerSource::dtype(std::string_view name) const {
  const ModulePlan* plan = plan_of(name);
  return plan ? plan->dtype : checkpoint_.info(module(name) + ".weight").dtype;
}

Tensor LayerSource::stored(std::string_view name) const {
  const ModulePlan* plan = plan_of(name);
  if (!plan) return to_f32(checkpoint_.tensor(module(name) + ".weight"));
  MatrixSource source(checkpoint_, *plan);
  return to_f32(source.rows(0, plan->n, plan->dtype));
}

Tensor LayerSource::weight(std::string_view name) const {
  const Tensor w = stored(name);
  if (!changed(name)) return w;
  Tensor made(w.shape());  // not the mapped file
  std::memcpy(made.raw(), w.raw(), static_cast<size_t>(w.bytes()));
  if (const auto folded = folded_.find(name); folded != folded_.end()) apply(folded->second, made);
  if (rotations_) rotate(name, made);
  if (const auto change = changes_.find(name); change != changes_.end()) apply(change->second, made);
  return made;
}

void LayerSource::apply(const Change& change, Tensor& w) const {
  const int64_t k = w.size(1);
  threads_.for_range(w.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* const x = w.f32() + row * k;
      for (int64_t j = 0; j < k && !change.columns.empty(); ++j) x[j] *= change.columns[static_cast<size_t>(j)];
      for (int64_t j = 0; j < k && !change.rows.empty(); ++j) x[j] /= change.rows[static_cast<size_t>(row)];
    }
  });
}

void LayerSource::rotate(std::string_view name, Tensor& w) const {
  if (reads_residual(name))
    rotations_->residual.rotate_rows(w, threads_);
  else
    rotations_->residual.rotate_columns(w, threads_);
  if (name == "self_attn.v_proj") rotations_->heads.rotate_columns(w, threads_);
  if (name == "self_attn.o_proj") rotations_->heads.rotate_rows(w, threads_);
}

Tensor LayerSource::bias(std::string_view name) const {
  const std::string full = module(name) + ".bias";
  if (!checkpoint_.has(full)) return {};
  const Tensor stored = to_f32(checkpoint_.tensor(full));
  Tensor bias({stored.size(0)});
  std::memcpy(bias.raw(), stored.raw(), static_cast<size_t>(stored.bytes()));
  Tensor column = bias.reshaped({bias.size(0), 1});
  if (const auto folded = folded_.find(name); folded != folded_.end()) apply({folded->second.rows, {}}, column);
  if (rotations_ && name == "self_attn.v_proj") rotations_->heads.rotate_columns(column, threads_);
  if (rotations_ && !reads_residual(name)) rotations_->residual.rotate_columns(column, threads_);
  const auto change = changes_.find(name);
  if (change == changes_.end() || change->second.rows.empty()) return bias;
  for (int64_t i = 0; i < bias.size(0); ++i) bias.f32()[i] /= change->second.rows[static_cast<size_t>(i)];
  return bias;
}

Tensor LayerSource::norm(std::string_view name) const {
  return norms_.find(name)->second;
}

bool LayerSource::changed(std::string_view name) const {
  return rotations_ || changes_.find(name) != changes_.end();
}

void LayerSource::drop(std::string_view name) const {
  if (const ModulePlan* plan = plan_of(name)) return MatrixSource(checkpoint_, *plan).drop();
  checkpoint_.drop(module(name) + ".weight");
}

std::vector<float> LayerSource::fold_into_norm(std::string_view name, std::span<const std::string_view> behind,
                                               std::vector<float> factors) {
  Tensor& norm = norms_.find(name)->second;
  Tensor divided({norm.size(0)});
  for (int64_t j = 0; j < norm.size(0); ++j) divided.f32()[j] = norm.f32()[j] / factors[static_cast<size_t>(j)];
  const Tensor stored = to_f32(from_f32(divided, checkpoint_.info(module(name) + ".weight").dtype));
  Tensor kept({norm.size(0)});
  for (int64_t j = 0; j < norm.size(0); ++j) {
    const float before = norm.f32()[j], after = stored.f32()[j];
    const bool exact = after != 0 && std::isfinite(after) && std::isfinite(before / after);
    kept.f32()[j] = exact ? after : before;
    factors[static_cast<size_t>(j)] = exact ? before / after : 1.0f;
  }
  norm = kept;
  for (const std::string_view linear : behind) multiply(changes_[std::string(linear)].columns, factors);
  return factors;
}

void LayerSource::fold_into_rows(std::string_view from, const std::vector<float>& row_factors, std::string_view to,
                                 const std::vector<float>& column_factors) {
  multiply(changes_[std::string(from)].rows, row_factors);
  multiply(changes_[std::string(to)].columns, column_factors);
}

}  // namespace octet
