#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/threads.h"
#include "kernels/gemm/gemm.h"
#include "tensor/qtensor.h"
#include "tensor/tensor.h"

namespace octet {

/// The weight [N,K] of a linear layer: float numbers or codes, packed for this machine's kernels when it is made. Its
/// scheme, not the model, decides the arithmetic.
class Weight {
 public:
  Weight() = default;
  /// F32 multiplies in F32; BF16 rounds its input to BF16 and sums in F32; F16 is widened.
  Weight(std::string module, const Tensor& values, const Tensor& bias, Threads& threads);
  /// `float_dtype` (the checkpoint's) is what the input of a weight-only scheme is kept in.
  Weight(std::string module, const QTensor& q, const Tensor& bias, DType float_dtype, Threads& threads);

  bool empty() const { return packed_ == nullptr; }
  const std::string& module() const { return module_; }
  int64_t rows() const { return packed_->n(); }
  int64_t columns() const { return packed_->k(); }
  const Tensor& bias() const { return bias_; }  // F32 [N] or empty
  const kernels::PackedWeight& packed() const { return *packed_; }

 private:
  std::string module_;
  Tensor bias_;
  std::shared_ptr<const kernels::PackedWeight> packed_;
};

}  // namespace octet
