#pragma once
#include <optional>

#include "kernels/operand/operand.h"
#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// The roles a tensor is rounded in; each draws random numbers of its own.
enum class Role : uint32_t { x, w, dy, wt, dyt, xt, kCount };

/// A matrix that becomes an operand, and its largest magnitude, looked up once.
class Matrix {
 public:
  explicit Matrix(const Tensor& values) : values_(values) {}
  const Tensor& values() const { return values_; }
  kernels::OperandSource rows() const {
    return {values_.f32(), values_.elements() / values_.size(-1), values_.size(-1)};
  }
  kernels::OperandSource columns() const {
    kernels::OperandSource source = rows();
    source.transposed = true;
    return source;
  }
  float largest(Context& ctx) {
    if (!largest_) largest_ = kernels::largest_magnitude(values_.f32(), values_.elements(), ctx.threads);
    return *largest_;
  }

 private:
  Tensor values_;
  std::optional<float> largest_;
};

/// How a product of a trained weight takes the matrix. `see`: it is the product that delayed scaling watches the matrix
/// in. Products of one step that round one after another, as those of a recurrent layer, differ in `position`.
kernels::OperandFormat format_of(Context& ctx, const OperandRecipe& recipe, Matrix& matrix, AmaxHistory& history,
                                 bool see, const TrainedWeight& w, Role role, uint32_t position = 0);

}  // namespace octet
