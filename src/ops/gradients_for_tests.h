#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "numeric/random.h"
#include "ops/loss.h"
#include "ops/tape.h"

namespace octet {

inline Tensor random_numbers(Shape shape, uint32_t tensor, float scale = 1) {
  const RandomStream random(11, 0, tensor);
  Tensor x(std::move(shape));
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = scale * (random.uniform(static_cast<uint64_t>(i)) * 2 - 1);
  return x;
}

/// A function of tensors, run on a tape of its own.
class Differentiated {
 public:
  using Function = std::function<Tensor(Context&, const std::vector<Tensor>&)>;
  Differentiated(int threads, Function f, const std::vector<Tensor>& values)
      : threads_(threads), ctx_(threads_), f_(std::move(f)) {
    ctx_.tape = &tape_;
    for (const Tensor& x : values) inputs_.push_back(tape_.parameter(x));
  }

  /// Σ f(x) · weights, F64.
  double value() {
    tape_.set_recording(false);
    const Tensor y = f_(ctx_, inputs_), w = weights(y);
    tape_.set_recording(true);
    double sum = 0;
    for (int64_t i = 0; i < y.elements(); ++i) sum += double{y.f32()[i]} * w.f32()[i];
    return sum;
  }

  /// Of value() with respect to every input.
  std::vector<Tensor> gradients() {
    tape_.clear_gradients();
    Tensor y = f_(ctx_, inputs_);
    tape_.add_gradient(ctx_, y, weights(y));
    y = Tensor();
    tape_.run_back_to(ctx_, inputs_.size());
    std::vector<Tensor> result;
    for (const Tensor& x : inputs_) result.push_back(tape_.gradient(x));
    return result;
  }

  Tensor& input(size_t i) { return inputs_[i]; }

 private:
  static Tensor weights(const Tensor& y) { return random_numbers(y.shape(), 99); }
  Threads threads_;
  Tape tape_;
  Context ctx_;
  Function f_;
  std::vector<Tensor> inputs_;
};

/// Gradients against central differences, and the same bits for 1 and 3 threads.
inline void check_gradients(const Differentiated::Function& f, const std::vector<Tensor>& values, float step = 1e-2f,
                            double tolerance = 2e-3) {
  Differentiated one(1, f, values), three(3, f, values);
  const auto gradients = one.gradients(), again = three.gradients();
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_FALSE(gradients[i].empty()) << "input " << i;
    ASSERT_EQ(0, std::memcmp(gradients[i].raw(), again[i].raw(), static_cast<size_t>(gradients[i].bytes())))
        << "input " << i;
    double largest = 0;
    for (int64_t j = 0; j < values[i].elements(); ++j)
      largest = std::max(largest, std::abs(double{gradients[i].f32()[j]}));
    float* x = one.input(i).f32();
    const int64_t stride = std::max<int64_t>(1, values[i].elements() / 61);
    for (int64_t j = 0; j < values[i].elements(); j += stride) {
      const float before = x[j];
      x[j] = before + step;
      const double above = one.value();
      x[j] = before - step;
      const double below = one.value();
      x[j] = before;
      EXPECT_NEAR(gradients[i].f32()[j], (above - below) / (2 * double{step}), tolerance * std::max(1.0, largest))
          << "input " << i << " element " << j;
    }
  }
}

}  // namespace octet
