#pragma once
#include <map>
#include <string>
#include <vector>

#include "compress/plan.h"
#include "quant/transform/rotation.h"

namespace octet {

/// The rotations of a whole model: of the residual stream (R1) and of the heads between v and o (R2).
struct Rotations {
  Rotations(const DecoderConfig& config, uint64_t seed)
      : residual(config.hidden, seed, 0), heads(config.head_dim, seed, 1) {}
  Rotation residual, heads;
};

/// The float numbers of one decoder layer as its transforms leave them. Matrices are made anew from the checkpoint each
/// time: only one needs to be held. Names are those below "model.layers.I.".
class LayerSource {
 public:
  /// `rotations`: nullptr for none. The norms' weights are then folded into the matrices behind them, and the rows of v
  /// made as large as the columns of o that they meet: a rotation would spread a large one over its head.
  LayerSource(const Checkpoint& checkpoint, const Plan& plan, int64_t layer, const Rotations* rotations,
              Threads& threads);

  int64_t layer() const { return layer_; }
  std::string module(std::string_view name) const;
  /// The plan of a linear module, or nullptr where it stays float and always was.
  const ModulePlan* plan_of(std::string_view name) const;
  DType dtype(std::string_view name) const;  // of the matrix in the checkpoint

  Tensor weight(std::string_view name) const;  // F32 [N,K]
  Tensor bias(std::string_view name) const;    // F32 [N], or empty
  Tensor norm(std::string_view name) const;    // F32 [K] of input_layernorm or post_attention_layernorm
  /// Whether a transform changed it.
  bool changed(std::string_view name) const;
  /// Its pages are not needed any more.
  void drop(std::string_view name) const;

  /// Divides a norm's weight by factors and multiplies the columns behind it; the factors become what the norm's dtype
  /// can hold, and are returned.
  std::vector<float> fold_into_norm(std::string_view norm, std::span<const std::string_view> behind,
                                    std::vector<float> factors);
  /// Divides the rows of one matrix by row_factors and multiplies the columns of the next by column_factors.
  void fold_into_rows(std::string_view from, const std::vector<float>& row_factors, std::string_view to,
                      const std::vector<float>& column_factors);

 private:
  struct Change {
    std::vector<float> rows, columns;  // divided by, multiplied by; empty: 1
  };
  Tensor stored(std::string_view name) const;
  void fold_norms();
  void equalize_values();
  void apply(const Change& change, Tensor& w) const;
  void rotate(std::string_view name, Tensor& w) const;
  const Checkpoint& checkpoint_;
  const Plan& plan_;
  int64_t layer_;
  const Rotations* rotations_;
  Threads& threads_;
  std::map<std::string, Change, std::less<>> folded_, changes_;  // before rotations and after them
  std::map<std::string, Tensor, std::less<>> norms_;
};

}  // namespace octet
