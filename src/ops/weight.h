#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/threads.h"
#include "kernels/gemm/gemm.h"
#include "ops/aware.h"
#include "ops/linear_recipe.h"
#include "tensor/qtensor.h"
#include "tensor/tensor.h"

namespace octet {

/// What a weight holds while it is trained.
struct TrainedWeight {
  Tensor value;  // F32 [N,K], a parameter: the master weight
  LinearRecipe recipe;
  uint32_t number = 0;                  // of the tensor, for random numbers
  AmaxHistory x_amax, w_amax, dy_amax;  // of delayed scaling

  std::shared_ptr<Aware> aware;  // quantization-aware training; nullptr: the recipe says how products are formed

  kernels::Misfits x_misfits, w_misfits, dy_misfits;  // of the step, where the tape counts them
};

/// The weight [N,K] of a linear layer: float numbers or codes, packed for this machine's kernels when it is made. Its
/// scheme, not the model, decides the arithmetic.
class Weight {
 public:
  Weight() = default;
  /// F32 multiplies in F32; BF16 rounds its input to BF16 and sums in F32; F16 is widened.
  Weight(std::string module, const Tensor& values, const Tensor& bias, Threads& threads);
  /// `float_dtype` (the checkpoint's) is what the input of a weight-only scheme is kept in.
  Weight(std::string module, const QTensor& q, const Tensor& bias, DType float_dtype, Threads& threads);

  /// To be trained: `value` F32 [N,K] and `bias` F32 [N] (or empty) are parameters of a tape.
  Weight(std::string module, Tensor value, Tensor bias, const LinearRecipe& recipe, uint32_t number);

  bool empty() const { return packed_ == nullptr && trained_ == nullptr; }
  const std::string& module() const { return module_; }
  int64_t rows() const { return trained_ ? trained_->value.size(0) : packed_->n(); }
  int64_t columns() const { return trained_ ? trained_->value.size(1) : packed_->k(); }
  const Tensor& bias() const { return bias_; }  // F32 [N] or empty
  const kernels::PackedWeight& packed() const { return *packed_; }
  TrainedWeight* trained() const { return trained_.get(); }  // nullptr: it serves

 private:
  std::string module_;
  Tensor bias_;
  std::shared_ptr<const kernels::PackedWeight> packed_;
  std::shared_ptr<TrainedWeight> trained_;
};

}  // namespace octet
