#pragma once
#include <span>
#include <vector>

#include "models/trainable.h"
#include "ops/tape.h"
#include "train/processes.h"

namespace octet::train {

/// The gradients of a step's micro-batches, summed in their order: those that the processes compute at the same time
/// are neighbours, in the order of ranks. A sum has the same bits however many processes share the micro-batches out.
/// Each process sums a slice of every tensor and hands it to the others at the end, as in a reduce-scatter and
/// all-gather (Thakur, Rabenseifner, Gropp 2005).
class GradientSum {
 public:
  /// With `dtype` BF16 every gradient is rounded to it before it is summed in F32, and so is the sum: half as much goes
  /// over the network. F32 rounds nothing.
  GradientSum(Processes& processes, DType dtype) : processes_(processes), dtype_(dtype) {}

  /// Adds the gradients of one micro-batch of every process; they are taken off the tape of ctx.
  void add(Context& ctx, std::span<const Parameter> parameters);
  /// Puts the sums where the gradients were.
  void finish(Context& ctx, std::span<const Parameter> parameters);

 private:
  Tensor own_slices(Context& ctx, const Tensor& gradient);
  Tensor whole(Context& ctx, const Tensor& slice, const Shape& shape);
  Slices slices_of(int64_t n) const { return {n, processes_.count()}; }
  Processes& processes_;
  DType dtype_;
  struct Sum {
    bool begun = false;
    Tensor slice;  // the own one, which may have no element
  };
  void add_to(Context& ctx, Sum& sum, const float* next, int64_t n) const;
  std::vector<Sum> sums_;  // a parameter
};

}  // namespace octet::train
