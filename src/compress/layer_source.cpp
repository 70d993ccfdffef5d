#include "compress/layer_source.h"

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
    Tensor& norm = norms_[std::string(name)];
    norm = to_f32(checkpoint.tensor(module(name) + ".weight"));
    if (!rotations) continue;
    Tensor ones({norm.size(0)});
    std::fill_n(ones.f32(), norm.size(0), 1.0f);
    std::vector<float> folded(norm.f32(), norm.f32() + norm.size(0));
    norm = ones;
    for (const std::string_view linear : kLayerLinears) {
      const bool attention = linear.starts_with("self_attn.");
      if (reads_residual(linear) && attention == (name == kInputNorm)) changes_[std::string(linear)].columns = folded;
    }
  }
  if (!rotations) return;
  folded_ = std::move(changes_);
  changes_.clear();
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

Tensor LayerSource::weight(std::string_view name) const {
  const ModulePlan* plan = plan_of(name);
  Tensor w;
  if (plan) {
    MatrixSource source(checkpoint_, *plan);
    w = to_f32(source.rows(0, plan->n, plan->dtype));
  } else {
    w = to_f32(checkpoint_.tensor(module(name) + ".weight"));
  }
  if (!changed(name)) return w;
  Tensor changed(w.shape());  // not the mapped file
  const int64_t k = w.size(1);
  const auto folded = folded_.find(name), change = changes_.find(name);
  threads_.for_range(w.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      changed.f32()[i] =
          w.f32()[i] * (folded == folded_.end() ? 1.0f : folded->second.columns[static_cast<size_t>(i % k)]);
    }
  });
  if (rotations_) rotate(name, changed);
  if (change == changes_.end()) return changed;
  const auto& [rows, columns] = change->second;
  threads_.for_range(w.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      if (!columns.empty()) changed.f32()[i] *= columns[static_cast<size_t>(i % k)];
      if (!rows.empty()) changed.f32()[i] /= rows[static_cast<size_t>(i / k)];
    }
  });
  return changed;
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
